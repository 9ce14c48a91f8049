// One life of a device's part in rounds, after another on the same database: real stores, a clock that the test moves, and a
// trainer whose answer can be foreseen. What kills it may come at any moment; the next life is all that is left.

import { randomFillSync } from 'node:crypto';
import { err, failure, ok, type Result, silentLog } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { unwrap, type VirtualClock } from '@skerry/shared/testing';
import type { DeviceStore } from '@skerry/sync-protocol';
import type { BlobRef } from '@skerry/sync-protocol/blobs';
import { type LearnReply, type LearnTask, layoutSize } from '@skerry/sync-protocol/learn';
import type { SqliteDatabase } from '../adapters/sqlite-database.ts';
import { createSqliteDeviceStore } from '../adapters/sqlite-device-store.ts';
import { createSqliteExampleStore } from '../adapters/sqlite-example-store.ts';
import { createSqliteRoundStore } from '../adapters/sqlite-round-store.ts';
import type { Conditions, LearnTerms } from '../learn/eligibility.ts';
import type { Consent } from '../learn/example-store.ts';
import type { PrivacyTerms } from '../learn/judge-privacy.ts';
import { createParticipation, type Participation } from '../learn/participation.ts';
import { runClient } from '../learn/run-client.ts';
import type { LocalTrainer } from '../learn/trainer.ts';

export interface LearnWorld {
  readonly database: SqliteDatabase;
  readonly clock: VirtualClock;
  /** What the coordinator has. */
  readonly cloud: Map<string, Uint8Array>;
  /** To be changed between and during lives. */
  readonly set: {
    conditions: Conditions;
    consent: Consent;
    /** No parameters come. */
    isCut?: boolean;
    /** The outbox takes nothing. */
    isFull?: boolean;
    /** The client's thread dies. */
    dies?: boolean;
    /** How long training takes; it hears a stop at once, with half done. */
    trainMs: number;
    /** It does not hear a stop. */
    isDeaf?: boolean;
    /** How long parameters and updates are on their way. */
    linkMs?: number;
  };
  readonly terms: LearnTerms;
  readonly privacy: PrivacyTerms;
  /** What the client was told, in order. */
  readonly steered: string[];
  trained: number;
}

export interface LearnLife {
  readonly participation: Participation;
  receive(task: LearnTask): void;
  replies(): LearnReply[];
  kill(): void;
}

/** Each step adds its learning rate to each parameter; a correction is added to it. */
export const steadyTrainer: LocalTrainer = {
  async train({ plan, correction }, { labels }) {
    const rate = plan.learningRate;
    const steps = plan.epochs * Math.ceil(labels.length / plan.batch);
    const size = layoutSize(plan.layout);
    const delta = Float32Array.from(
      { length: size },
      (_, i) => rate * steps * (1 - (correction?.[i] ?? 0)),
    );
    return ok({ delta, examples: labels.length, steps, completed: 1, loss: 0.5 });
  },
  async evaluate({ parameters }, { labels }) {
    return ok({ examples: labels.length, loss: parameters[0] ?? 0, accuracy: 1 });
  },
};

export function startLearnLife(world: LearnWorld): LearnLife {
  const { database, clock, set, steered, cloud } = world;
  const bounds = { outboxOpsMax: 1_000, outboxBytesMax: 64 * 1024 * 1024 };
  const store: DeviceStore = unwrap(
    createSqliteDeviceStore(database, 'device-1', () => `epoch-${clock.nowMs()}`, bounds),
  );
  let alive = true;
  /** Of a life that is over nothing comes any more. */
  const living = <T>(value: T): T | Promise<never> =>
    alive ? value : new Promise<never>(() => {});
  const onTheWay = () => new Promise<void>((resolve) => clock.after(set.linkMs ?? 0, resolve));
  const reply = (body: LearnReply, effect: () => void): Result<void> => {
    if (set.isFull) return err(failure('overloaded', 'the outbox is full'));
    const appended = store.append(body, clock.nowMs(), effect);
    return appended.ok ? ok(undefined) : appended;
  };
  const examples = createSqliteExampleStore(database, {
    examplesMax: 1_000,
    bytesMax: 1024 * 1024,
    retentionMs: 1_000_000,
  });
  const participation = createParticipation({
    device: 'device-1',
    examples,
    rounds: createSqliteRoundStore(database),
    blobs: {
      async fetch(ref: BlobRef) {
        if (set.isCut) return living(err(failure('unavailable', 'no link')));
        await onTheWay();
        const bytes = cloud.get(ref.digest);
        return living(bytes ? ok(bytes) : err(failure('not_found', 'no such blob')));
      },
      drop() {},
      async put(bytes) {
        const ref = { digest: sha256(bytes), bytes: bytes.length };
        cloud.set(ref.digest, bytes);
        await onTheWay();
        return living(ok(ref));
      },
      async remove(digest) {
        cloud.delete(digest);
        return ok(undefined);
      },
    },
    runner: {
      networks: ['2nn'],
      start(work) {
        let stop = (): void => {};
        let end = (): void => {};
        const done = new Promise<'whole' | 'half' | 'ended'>((resolve) => {
          clock.after(set.trainMs, () => resolve('whole'));
          stop = () => resolve('half');
          end = () => resolve('ended');
        }).then(async (how) => {
          if (!alive) return new Promise<never>(() => {});
          if (set.dies) return err(failure('internal', 'the client’s worker has ended'));
          if (how === 'ended') return err(failure('unavailable', 'nobody waits for it any longer'));
          world.trained += 1;
          const ran = await runClient(
            work,
            {
              trainer: steadyTrainer,
              mods: { secretBytes: { fill: (into) => void randomFillSync(into) } },
            },
            new AbortController().signal,
          );
          if (!ran.ok || how === 'whole' || ran.value.reply.type !== 'trained') return ran;
          const reply = { ...ran.value.reply, completed: 0.5 };
          return ok({ ...ran.value, reply });
        });
        return {
          done,
          steer(command) {
            if (steered.at(-1) !== command) steered.push(command);
            if (command === 'stop' && !set.isDeaf) stop();
          },
          end: () => end(),
        };
      },
      forget() {},
      close() {},
    },
    reply,
    replyWithBlob: (body, _, effect) => reply(body, effect),
    model: (name) =>
      name === 'm'
        ? { name, bundle: 'b', labels: ['x', 'y'], datatype: 'UINT8', shape: [2] }
        : undefined,
    consent: () => set.consent,
    conditions: () => set.conditions,
    terms: world.terms,
    privacy: world.privacy,
    clock: { ...clock, after: (ms, action) => clock.after(ms, () => alive && action()) },
    log: silentLog,
  });
  return {
    participation,
    receive(task) {
      participation.receive(task);
      participation.wake();
    },
    replies: () =>
      store
        .unacknowledged(1_000, 64 * 1024 * 1024)
        .map(({ body }) => body)
        .filter((body) => body.kind === 'learn-reply'),
    kill() {
      alive = false;
    },
  };
}
