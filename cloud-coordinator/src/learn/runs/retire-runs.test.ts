import { unwrap } from '@skerry/shared/testing';
import { expect, it } from 'vitest';
import { createLearnFleet } from '../../testing/learn-fleet.ts';
import { sampleRunPlan, turnRuns } from '../../testing/run-turns.ts';
import { openRuns } from './runs.ts';

it('[RND25] a log goes that made no model, and none that says what a run has learned; the name stays taken', async () => {
  const fleet = createLearnFleet({ devices: 4 });
  const removed: number[] = [];
  const ports = { ...fleet.ports, removed: (logs: number) => void removed.push(logs) };
  const runs = unwrap(await openRuns(ports));
  unwrap(await runs.start(sampleRunPlan({ id: 'learned', rounds: 1 }), 'me'));
  expect(await turnRuns(fleet, runs)).toBe(true);
  unwrap(await runs.start(sampleRunPlan({ id: 'nothing' }), 'me'));
  unwrap(await runs.stop('nothing', { by: 'eva', reason: 'so' }));
  fleet.clock.runNext(fleet.clock.nowMs() + 2 * 3_600_000);
  const again = unwrap(await openRuns(ports, { retention: { endedMax: 0, endedMs: 1e12 } }));
  unwrap(await again.turn());
  const third = unwrap(await openRuns(ports));
  for (const each of [again, third])
    expect(each.list().map(({ plan }) => plan.id)).toEqual(['learned']);
  expect(removed).toEqual([1]);
  expect(await third.start(sampleRunPlan({ id: 'nothing' }), 'me')).toMatchObject({ ok: false });
});

it('[RND25] the log of a private run stays: what it has spent is written nowhere else', async () => {
  const fleet = createLearnFleet({ devices: 4 });
  const runs = unwrap(await openRuns(fleet.ports));
  const central = { noiseMultiplier: 1, samplingRate: 0.5, clients: 4 };
  const plan = sampleRunPlan({
    id: 'private',
    sampling: { kind: 'poisson', share: 0.5 },
    clients: { target: 2, min: 1, overSelect: 1 },
    privacy: {
      central: { ...central, clip: { kind: 'fixed', norm: 1 } },
      budget: { epsilonMax: 50, delta: 1e-3 },
    },
  });
  for (const each of [plan, sampleRunPlan({ id: 'open' })]) {
    unwrap(await runs.start(each, 'me'));
    unwrap(await runs.stop(each.id, { by: 'eva', reason: 'so' }));
  }
  fleet.clock.runNext(fleet.clock.nowMs() + 2 * 3_600_000);
  const again = unwrap(await openRuns(fleet.ports, { retention: { endedMax: 0, endedMs: 1e12 } }));
  unwrap(await again.turn());
  expect(again.list().map(({ plan: { id } }) => id)).toEqual(['private']);
});
