// Kills the coordinator of a learning run at each commit of the run's log, once in a world, and looks what the run comes to:
// the same weights, byte for byte; nobody asked twice; no more models out than the privacy ledger has paid for; no key of
// noise left.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type LearnDesk,
  learnStartMs,
  playDevices,
  sampleRunPlan,
} from '@skerry/cloud-coordinator/testing';
import { assert, messageOf, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { unwrap } from '@skerry/shared/testing';
import type { BlobRef } from '@skerry/sync-protocol/blobs';
import { createVirtualClock } from '@skerry/sync-protocol/testing';
import { beginLife, type CoordinatorLife, type Death, type View } from './coordinator-life.ts';
import { type LearnScenario, learnSeed, learnSize } from './learn-scenarios.ts';

/** Of the run, in its own time. */
const secondsMax = 3_600;

export interface Ended {
  readonly deaths: number;
  /** sha256 of the final weights. */
  readonly weights: string;
  /** Of a life that saw all of it: what it committed. */
  readonly commits: readonly string[];
  /** What did not end as it must. */
  readonly failures: readonly string[];
}

/** @param deathOf of each life, by its number: where it ends. */
export async function playLearnWorld(
  scenario: LearnScenario,
  deathOf: (life: number) => Death | undefined = () => undefined,
): Promise<Ended> {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-learn-kills-'));
  const world = openWorld(scenario, folder, deathOf);
  try {
    return await world.play();
  } catch (thrown) {
    return { deaths: world.deaths(), weights: '', commits: [], failures: [messageOf(thrown)] };
  } finally {
    await world.close();
    await rm(folder, { recursive: true, force: true });
  }
}

function openWorld(
  scenario: LearnScenario,
  folder: string,
  deathOf: (life: number) => Death | undefined,
) {
  const clock = createVirtualClock(learnStartMs);
  const plan = sampleRunPlan(scenario.plan);
  let lives = 0;
  let life: CoordinatorLife | undefined;
  let deaths = 0;
  const viaLife =
    (of: 'ops' | 'blobs', method: string) =>
    async (...args: unknown[]) => {
      const reply = await life?.ask({ of, method, args }, clock.nowMs());
      assert(reply !== undefined, 'it dies while it writes its log, and at no other time');
      return reply.value as Result<never>;
    };
  const desk: LearnDesk = {
    ops: { accept: viaLife('ops', 'accept'), downOpsAfter: viaLife('ops', 'downOpsAfter') },
    blobs: {
      holding: viaLife('blobs', 'holding'),
      read: viaLife('blobs', 'read'),
      write: viaLife('blobs', 'write'),
      finish: viaLife('blobs', 'finish'),
    },
    nowMs: clock.nowMs,
  };
  const read = async ({ digest, bytes }: BlobRef): Promise<Uint8Array> =>
    unwrap(await desk.blobs.read(digest, 0, bytes));
  const { answer, credentials } = scenario.begin(read);
  const devices = playDevices(
    { devices: scenario.devices, seed: learnSeed, size: learnSize, ...(answer && { answer }) },
    desk,
  );

  const begin = async (): Promise<CoordinatorLife> => {
    const begun = beginLife();
    const setup = {
      folder,
      death: deathOf(lives++),
      base: devices.base,
      devices: devices.described(),
      credentials,
    };
    await begun.ask({ of: 'setup', setup }, clock.nowMs());
    return begun;
  };
  /** In as many lives as it takes. */
  const outlive = async (
    act: (life: CoordinatorLife) => Promise<{ value: unknown } | undefined>,
  ) => {
    for (;;) {
      life ??= await begin();
      const done = await act(life);
      if (done !== undefined) return done.value;
      life = undefined;
      deaths += 1;
    }
  };
  const look = async (): Promise<View> =>
    (await outlive((now) => now.ask({ of: 'view', run: plan.id }, clock.nowMs()))) as View;
  const start = async (): Promise<void> => {
    await outlive(async (now) => {
      const known = await now.ask({ of: 'view', run: plan.id }, clock.nowMs());
      if (known === undefined || (known.value as View).phase !== undefined) return known;
      const started = await now.ask({ of: 'start', plan }, clock.nowMs());
      if (started !== undefined) unwrap(started.value as Result<unknown>);
      return started;
    });
  };

  return {
    deaths: () => deaths,
    close: async () => life?.end(),
    async play(): Promise<Ended> {
      const failures = new Set<string>();
      let seen: View = { appends: [], committed: 0, noiseKeys: 0 };
      await start();
      for (let seconds = 0; seconds < secondsMax; seconds++) {
        unwrap((await outlive((now) => now.ask({ of: 'turn' }, clock.nowMs()))) as Result<void>);
        await devices.step();
        seen = await look();
        if (plan.privacy && modelsTold(devices.heard) > seen.committed)
          failures.add(`${modelsTold(devices.heard)} models told, ${seen.committed} paid for`);
        if (['completed', 'failed', 'stopped'].includes(seen.phase ?? '')) break;
        clock.runNext(clock.nowMs() + 1_000);
      }
      if (seen.phase !== 'completed') failures.add(`${seen.phase}: ${seen.reason}`);
      if (seen.noiseKeys > 0) failures.add(`${seen.noiseKeys} keys of noise are left`);
      const told = devices.heard
        .filter(({ task }) => task.work.type !== 'end')
        .map(({ device, task }) => {
          const { work, round, attempt } = task;
          const stage = work.type === 'secure' ? work.stage : '';
          return `${device} ${work.type} ${stage} ${round}.${attempt}`;
        });
      if (new Set(told).size < told.length) failures.add('somebody was asked twice');
      assert(seen.parameters !== undefined, 'there are weights');
      const weights = sha256(await read(seen.parameters));
      return { deaths, weights, commits: seen.appends, failures: [...failures] };
    },
  };
}

/** Beside the one that the run began from. */
function modelsTold(heard: ReturnType<typeof playDevices>['heard']): number {
  const told = heard.flatMap(({ task: { work } }) =>
    work.type === 'train' || work.type === 'evaluate' ? [work.parameters.digest] : [],
  );
  return Math.max(0, new Set(told).size - 1);
}

export interface LearnKillRow {
  readonly scenario: string;
  readonly point: string;
  readonly worlds: number;
  readonly deaths: number;
  /** That ended with other weights than the one that nobody killed. */
  readonly differing: number;
  readonly failures: readonly string[];
}

/**
 * Of one scenario: a row for each kind of record; and one for a world that dies after each of its records in turn.
 * @param every takes one commit of so many
 */
export async function* runLearnKills(
  scenario: LearnScenario,
  every = 1,
): AsyncGenerator<LearnKillRow> {
  const whole = await playLearnWorld(scenario);
  const rowOf = (point: string, ended: readonly Ended[], deathsMin: number): LearnKillRow => ({
    scenario: scenario.name,
    point,
    worlds: ended.length,
    deaths: ended.reduce((sum, { deaths }) => sum + deaths, 0),
    differing: ended.filter(({ weights }) => weights !== whole.weights).length,
    failures: ended.flatMap(({ failures, deaths }) =>
      deaths < deathsMin ? [...failures, `it died ${deaths} times`] : failures,
    ),
  });
  yield rowOf('not killed', [whole], 0);
  const points = new Map<string, Ended[]>();
  for (const [at, commit] of whole.commits.entries())
    for (const when of ['before', 'after'] as const) {
      if ((2 * at + (when === 'after' ? 1 : 0)) % every !== 0) continue;
      const ended = await playLearnWorld(scenario, (life) =>
        life === 0 ? { at, when } : undefined,
      );
      const point = `${when} ${commit}`;
      points.set(point, [...(points.get(point) ?? []), ended]);
    }
  for (const [point, ended] of points) yield rowOf(point, ended, 1);
  const always = await playLearnWorld(scenario, () => ({ at: 0, when: 'after' }));
  yield rowOf('after each of its records, in turn', [always], whole.commits.length);
}
