// A coordinator that is killed at each record of a run's log, just before it is durable and just after: whoever starts on
// the same disks ends with the same weights.

import { err, failure } from '@skerry/shared';
import { createSystemRandomBytes, sha256 } from '@skerry/shared/node';
import { unwrap } from '@skerry/shared/testing';
import { vectorBytes } from '@skerry/sync-protocol/learn';
import { describe, expect, it } from 'vitest';
import type { EventStore } from '../../event-log/event-store.ts';
import { createLearnFleet } from '../../testing/learn-fleet.ts';
import { bindChance } from '../../testing/log-bound-chance.ts';
import { sampleRunPlan, weightsOf } from '../../testing/run-turns.ts';
import type { RunPlanInput } from './run-plan.ts';
import { openRuns, type RunsPorts } from './runs.ts';

/** What is there of the process after the record: nothing that it would still have done happens. */
function mortal(ports: RunsPorts, at: number, when: 'before' | 'after'): RunsPorts {
  let records = 0;
  let dead = false;
  const gone = err(failure('internal', 'killed'));
  const alive =
    <Args extends unknown[], Value>(call: (...args: Args) => Promise<Value>) =>
    async (...args: Args): Promise<Value> =>
      dead ? (gone as Value) : call(...args);
  const append: EventStore['append'] = async (log, length, events) => {
    records += events.length;
    const isNow = records > at && !dead;
    if (isNow && when === 'before') dead = true;
    if (dead) return gone;
    const appended = await ports.store.append(log, length, events);
    if (isNow) dead = true;
    return isNow ? gone : appended;
  };
  const { ops, blobs, references, tasks } = ports;
  return {
    ...ports,
    store: { ...ports.store, append, read: alive(ports.store.read), list: alive(ports.store.list) },
    ops: {
      openOps: alive(ops.openOps),
      closeOps: alive(ops.closeOps),
      quarantineOp: alive(ops.quarantineOp),
    },
    blobs: {
      ...blobs,
      write: alive(blobs.write),
      finish: alive(blobs.finish),
      remove: alive(blobs.remove),
    },
    references: { ...references, add: alive(references.add), drop: alive(references.drop) },
    tasks: { say: alive(tasks.say), forget: alive(tasks.forget) },
  };
}

async function lived(
  more: Partial<RunPlanInput>,
  kill?: { readonly at: number; readonly when: 'before' | 'after' },
) {
  const fleet = createLearnFleet({
    devices: 7,
    seed: 3,
    // One device's updates are none, one device declines: their ways through the log are killed too.
    answer(device, { round, work }, own) {
      const result = own();
      if (device === 'device-3' && round === 1) return { type: 'declined', reason: 'hot' };
      if (device === 'device-5' && result.type === 'trained' && work.type === 'train')
        return { ...result, update: { digest: sha256(Uint8Array.of(7)), bytes: 1 } };
      return result;
    },
  });
  await fleet.putBlob(Uint8Array.of(7));
  /** Of one life. */
  const ports = () => ({
    ...fleet.ports,
    ...bindChance(fleet.ports.store, createSystemRandomBytes()),
  });
  const plan = sampleRunPlan({
    clients: { target: 5, min: 3, overSelect: 1.3 },
    evaluate: { everyRounds: 2, clients: 4 },
    ...more,
  });
  const start = async (ports: RunsPorts) => unwrap(await openRuns(ports));
  const first = await start(kill === undefined ? ports() : mortal(ports(), kill.at, kill.when));
  let runs = first;
  await first.start(plan, 'me');
  let isKilled = false;
  for (let seconds = 0; seconds < 3_600; seconds++) {
    const turned = await runs.turn();
    if (!turned.ok && runs === first) {
      isKilled = true;
      runs = await start(ports());
      if (runs.get(plan.id) === undefined) await runs.start(plan, 'me');
    }
    await fleet.step();
    const state = runs.get(plan.id);
    if (state !== undefined && !('untilMs' in state.phase)) break;
    fleet.clock.runNext(fleet.clock.nowMs() + 1_000);
  }
  const state = runs.get(plan.id);
  const records = unwrap(await runs.history(plan.id));
  const keys = records.flatMap((event) =>
    event.kind === 'privacy-committed' ? (event.noiseKey ?? []) : [],
  );
  const kept = await Promise.all(keys.map(({ digest }) => fleet.blobs.holding(digest)));
  const told = fleet.heard
    .filter(({ task }) => task.work.type !== 'end')
    .map(({ device, task }) => `${device} ${task.work.type} ${task.round}.${task.attempt}`);
  return {
    state,
    isKilled,
    records,
    told,
    keys,
    kept: kept.map(unwrap),
    weights: vectorBytes(await weightsOf(fleet, state)),
  };
}

describe.each<{ name: string; plan: Partial<RunPlanInput> }>([
  { name: 'fedavg', plan: { strategy: { name: 'fedavg' } } },
  { name: 'fedadam', plan: { strategy: { name: 'fedadam' } } },
  {
    name: 'fedavg with noise',
    plan: {
      rounds: 2,
      evaluate: undefined,
      clients: { target: 5, min: 1, overSelect: 1 },
      sampling: { kind: 'poisson', share: 0.8 },
      privacy: {
        central: {
          noiseMultiplier: 1,
          samplingRate: 0.8,
          clients: 7,
          clip: { kind: 'fixed', norm: 1 },
        },
        budget: { epsilonMax: 50, delta: 1e-5 },
      },
    },
  },
  {
    name: 'fedbuff',
    plan: {
      strategy: { name: 'fedbuff', bufferSize: 3 },
      clients: { target: 3, min: 3, overSelect: 2 },
      timeouts: { roundMs: 20_000 },
    },
  },
])('a run by $name', ({ plan }) => {
  it('[RND8] [RND15] [PRV17] goes on wherever it is killed, to the same weights where it waits for its rounds, and asks nobody twice', {
    timeout: 60_000,
  }, async () => {
    const whole = await lived(plan);
    expect(whole.state?.phase).toMatchObject({ kind: 'completed' });
    expect(whole.state?.history.map(({ quarantined }) => quarantined > 0)).toContain(true);
    expect(whole.records.length).toBeGreaterThan(12);
    for (let at = 0; at < whole.records.length; at++)
      for (const when of ['before', 'after'] as const) {
        const killed = await lived(plan, { at, when });
        expect({ at, when, isKilled: killed.isKilled }).toEqual({ at, when, isKilled: true });
        expect(killed.state?.phase.kind).toBe('completed');
        // Time decides whom an asynchronous run asks next, and a kill takes time.
        if (plan.strategy?.name === 'fedbuff') expect(killed.state?.round).toBe(3);
        else expect(killed.weights).toEqual(whole.weights);
        expect(new Set(killed.told).size).toBe(killed.told.length);
        expect(killed.kept).toEqual(killed.kept.map(() => ({ kind: 'none' })));
      }
  });
});
