// What a coordinator that leads runs tells Prometheus.

import { unwrap } from '@skerry/shared/testing';
import { expect, it } from 'vitest';
import { openRuns } from '../learn/runs/index.ts';
import { createLearnFleet } from '../testing/learn-fleet.ts';
import { sampleRunPlan, turnRuns } from '../testing/run-turns.ts';
import { createMetrics } from './metrics.ts';

it('[RND24] runs, rounds, replies, updates, bytes and attempts that came to nothing are counted', async () => {
  const metrics = createMetrics();
  const fleet = createLearnFleet({
    devices: 5,
    answer: (device, { round, attempt, work }, own) => {
      if (work.type !== 'train') return own();
      if (device === 'device-1') return { type: 'declined', reason: 'hot' };
      if (round === 0 && attempt === 1) return undefined;
      const result = own();
      return device === 'device-2' && result.type === 'trained'
        ? { ...result, steps: 1_000_000 }
        : result;
    },
  });
  const ports = { ...fleet.ports, written: metrics.learning.written };
  const runs = unwrap(await openRuns(ports));
  metrics.learning.watch(runs.list);
  const plan = sampleRunPlan({
    rounds: 2,
    clients: { target: 5, min: 2, overSelect: 1 },
    timeouts: { gatherMs: 0, roundMs: 10_000 },
  });
  unwrap(await runs.start(plan, 'me'));
  expect(await turnRuns(fleet, runs)).toBe(true);
  const lines = (await metrics.text()).split('\n').filter((line) => /^skerry_learn/.test(line));
  const told = (line: string): string | undefined =>
    lines.find((each) => each.startsWith(`${line} `))?.slice(line.length + 1);
  expect({
    runs: told('skerry_learn_runs{model="digits",state="completed"}'),
    rounds: told('skerry_learn_rounds_total{model="digits"}'),
    failed: told('skerry_learn_attempts_failed_total{model="digits"}'),
    hot: told('skerry_learn_replies_total{model="digits",outcome="declined",reason="hot"}'),
    refused: told('skerry_learn_replies_total{model="digits",outcome="quarantined",reason=""}'),
    trained: told('skerry_learn_replies_total{model="digits",outcome="trained",reason=""}'),
    used: told('skerry_learn_updates_total{model="digits",used="true",reason=""}'),
    times: told('skerry_learn_round_seconds_count{model="digits"}'),
  }).toEqual({
    runs: '1',
    rounds: '2',
    failed: '1',
    hot: '3',
    refused: '2',
    trained: '6',
    used: '6',
    times: '2',
  });
  expect(Number(told('skerry_learn_update_bytes_total{model="digits"}'))).toBeGreaterThan(100);
});
