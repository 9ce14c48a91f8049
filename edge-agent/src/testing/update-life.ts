// One life of a device that takes updates: the production code over a real database, real files and real sessions, in a
// process that may die right before or right after anything it does to its disk, and in the middle of it.

import { join } from 'node:path';
import { createResidency, tensorOf } from '@skerry/models';
import { readBundle } from '@skerry/models/node';
import { createOnnxDirectRuntime } from '@skerry/models/runtime';
import {
  assert,
  type Clock,
  err,
  failure,
  type Log,
  ok,
  type Random,
  type Result,
} from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import type { DeviceStore } from '@skerry/sync-protocol';
import { type BlobRef, type BlobStore, chunkBytes, chunkCount } from '@skerry/sync-protocol/blobs';
import type { UpdateReport } from '@skerry/sync-protocol/update';
import { createFileSlots } from '../adapters/file-slots.ts';
import { openDatabase } from '../adapters/sqlite-database.ts';
import { createSqliteDeviceStore } from '../adapters/sqlite-device-store.ts';
import {
  createSqliteAssignmentInbox,
  createSqliteUpdateStore,
} from '../adapters/sqlite-update-store.ts';
import { createAdmission } from '../infer/admission.ts';
import { createLiveModels } from '../infer/live-models.ts';
import type { ApplyDelta, ModelSlots, UpdateTrust } from '../update/update-ports.ts';
import { createUpdates, type Updates } from '../update/updates.ts';

/** Decides, at each point where it could happen, whether the process dies. */
export type CrashPlan = (point: string) => boolean;

/** Unwinds the stack of a process that has just died. */
export class Crash extends Error {
  override readonly name = 'Crash';
}

export interface LifeWorld {
  readonly folder: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly dies: CrashPlan;
  /** Whether the disk takes no more just now. */
  readonly isFull: () => boolean;
  /** What the cloud gives for a digest. */
  readonly fetch: (ref: BlobRef) => Result<Uint8Array>;
  /** What a life has fetched, and not dropped, released or removed since. */
  readonly wanted: Set<string>;
  readonly openBlobs: () => BlobStore;
  readonly trust: UpdateTrust;
  readonly applyDelta?: ApplyDelta;
  /** In place of what the disk says. */
  readonly freeBytes: () => number | undefined;
  readonly metered: boolean;
  readonly linkUp: () => boolean;
}

export interface UpdateLife {
  readonly updates: Updates;
  alive(): boolean;
  /** SIGKILL. */
  kill(): void;
  /** SIGTERM. */
  stop(): void;
  /** What the coordinator sent, in the transaction that applies it. */
  receive(envelope: Uint8Array): void;
  /** The golden question, answered by what is live: by which bundle, and its logits. */
  ask(): Promise<{ readonly bundle: string; readonly logits: readonly number[] } | undefined>;
  /** Reports in the outbox, oldest first. */
  reports(): UpdateReport[];
}

const never = <T>(): Promise<T> => new Promise(() => undefined);
const full = failure('storage_failed', 'the disk is full');

/** Fails where no place holds a bundle that runs. */
export async function startLife(world: LifeWorld, name: string): Promise<Result<UpdateLife>> {
  const { folder, clock } = world;
  let alive = true;
  const die = (point: string): boolean => {
    if (alive && world.dies(point)) alive = false;
    return !alive;
  };
  const sync = <T>(point: string, action: () => T): T => {
    if (die(`before ${point}`)) throw new Crash(point);
    const result = action();
    if (die(`after ${point}`)) throw new Crash(point);
    return result;
  };
  const later = async <T>(point: string, action: () => Promise<T>): Promise<T> => {
    if (die(`before ${point}`)) return never();
    const result = await action();
    return die(`after ${point}`) ? never() : result;
  };
  const opened = openDatabase(join(folder, 'agent.db'));
  assert(opened.ok, 'the database opens');
  const database = opened.value;
  const bounds = { outboxOpsMax: 10_000, outboxBytesMax: 64 * 1024 * 1024 };
  const device = createSqliteDeviceStore(
    database,
    'device-1',
    () => `epoch-${clock.nowMs()}`,
    bounds,
  );
  assert(device.ok, 'the device store opens');
  const outbox: Pick<DeviceStore, 'append'> = {
    append: (body, atMs, effect) =>
      device.value.append(body, atMs, () => {
        effect?.();
        if (die('inside append')) throw new Crash('append');
      }),
  };
  const sqlite = createSqliteUpdateStore(database, outbox, clock.nowMs);
  const inbox = createSqliteAssignmentInbox(database);
  const write = (point: string, action: () => Result<void>): Result<void> =>
    sync(point, () => (world.isFull() ? err(full) : action()));
  const files = createFileSlots(join(folder, 'models'));
  const slots: ModelSlots = {
    ...files,
    async write(model, slot, wanted) {
      if (world.isFull()) return err(full);
      if (die('torn slot')) {
        // Half of the last file, and none of what should follow.
        const [last, ...rest] = [...wanted].reverse();
        assert(last !== undefined, 'a slot has files');
        const torn = { ...last, bytes: last.bytes.subarray(0, last.bytes.length >> 1) };
        await files.write(model, slot, [...rest.slice(1), torn]);
        return never();
      }
      return later('write slot', () => files.write(model, slot, wanted));
    },
    async freeBytes() {
      const free = world.freeBytes();
      return free === undefined ? files.freeBytes() : ok(free);
    },
  };
  const blobs = world.openBlobs();
  const { wanted } = world;
  const unwanted = (digest: string) => {
    wanted.delete(digest);
    return blobs.remove(digest);
  };
  const mortalClock: Clock = {
    ...clock,
    after: (delayMs, action) => clock.after(delayMs, () => void (alive && action())),
  };
  const residency = createResidency(16 * 1024 * 1024);
  const live = createLiveModels(
    { threads: 1, deadlineMs: 1_000 },
    {
      createRuntime: createOnnxDirectRuntime,
      residency,
      admission: createAdmission(10, clock.monotonicMs),
      inference: () => ({ infer: async () => err(failure('unavailable', 'nobody asks this way')) }),
      clock: mortalClock,
      log: world.log,
    },
  );
  const updates = createUpdates('device-1', world.metered, {
    store: {
      kept: sqlite.kept,
      load: sqlite.load,
      save: (model, update, report) =>
        write(`save ${update.state.kind}`, () => sqlite.save(model, update, report)),
      sendOwed: () => (alive ? sqlite.sendOwed() : ok(undefined)),
      report: (report) => write('report', () => sqlite.report(report)),
      countStart: (model, starts) =>
        sync(`count start ${starts}`, () => sqlite.countStart(model, starts)),
      keep: (...kept) => write('keep', () => sqlite.keep(...kept)),
    },
    inbox: {
      ...inbox,
      remove: (envelope) => write('empty inbox', () => inbox.remove(envelope)),
    },
    slots,
    blobs: {
      ...blobs,
      async fetch(ref) {
        wanted.add(ref.digest);
        const held = await blobs.holding(ref.digest);
        if (held.ok && held.value.kind === 'whole') return ok(undefined);
        const bytes = world.fetch(ref);
        if (!bytes.ok) return bytes;
        for (let index = 0; index < chunkCount(ref.bytes); index++) {
          const chunk = bytes.value.subarray(index * chunkBytes, (index + 1) * chunkBytes);
          const written = await later('write chunk', async () =>
            world.isFull() ? err(full) : blobs.write(ref, index, chunk),
          );
          if (!written.ok) return written;
        }
        return later('finish blob', () => blobs.finish(ref.digest));
      },
      drop: ({ digest }) => void wanted.delete(digest),
      remove: (digest) => later('remove blob', () => unwanted(digest)),
      release: (digest) => later('release blob', () => unwanted(digest)),
    },
    trust: world.trust,
    applyDelta: world.applyDelta,
    sha256,
    limits: { memoryBytesMax: 16 * 1024 * 1024 },
    live,
    clock: mortalClock,
    random: world.random,
    log: world.log,
    waiting: () => 1,
    computeMilliwatts: 1_000,
    linkUp: world.linkUp,
    onAppended() {},
  });
  const end = (): void => {
    alive = false;
    database.close();
  };
  const factory = await readBundle(join(folder, 'factory'), ['edge']);
  let booted: Result<void>;
  try {
    booted = await updates.boot(name, factory.ok ? factory.value : undefined);
  } catch (thrown) {
    if (!(thrown instanceof Crash)) throw thrown;
    booted = ok(undefined);
  }
  if (!booted.ok) {
    end();
    return booted;
  }
  if (alive) updates.wake();
  const life: UpdateLife = {
    updates,
    alive: () => alive,
    kill: end,
    stop() {
      updates.close();
      end();
    },
    receive(envelope) {
      inbox.put(envelope);
      updates.wake();
    },
    async ask() {
      const model = live.classifiers.get(name);
      if (model === undefined) return undefined;
      const input = tensorOf('UINT8', [1, 1, 2, 2], [32, 0, 0, 16]);
      assert(input.ok, 'the golden input is a tensor');
      const tell = updates.offer(name, input.value);
      const ran = await model.runStage(0, input.value);
      if (!ran.ok) return undefined;
      updates.answered(name);
      const { threshold, prediction, logits } = ran.value;
      const degraded = threshold === null || prediction.confidence < threshold;
      updates.meter(name, model.bundle)?.answered({ computeMs: 1, degraded, source: 'exit:1' });
      tell?.(ran.value);
      return { bundle: model.bundle, logits: [...logits] };
    },
    reports: () =>
      device.value
        .unacknowledged(10_000, 64 * 1024 * 1024)
        .map(({ body }) => body)
        .filter((body) => body.kind === 'update-report'),
  };
  return ok(life);
}
