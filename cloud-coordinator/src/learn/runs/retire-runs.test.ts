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
