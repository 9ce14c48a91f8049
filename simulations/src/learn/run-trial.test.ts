// The short form of the bars: the same code on a logistic regression, a few rounds.

import { beforeAll, describe, expect, it } from 'vitest';
import { runTrial } from './run-trial.ts';
import type { Trial, TrialPoint } from './trial.ts';

const trial: Trial = {
  name: 'short',
  data: { kind: 'synthetic', alpha: 0, beta: 0 },
  network: 'logistic',
  clients: 8,
  perRound: 4,
  rounds: 6,
  local: { epochs: 1, batch: 10, learningRate: 0.02 },
  strategy: { name: 'fedavg' },
};
const run = (changes: Partial<Trial> = {}, seed = 1, workers = 2) =>
  runTrial({ ...trial, ...changes }, seed, { workers, onPoint: () => {} });
const accuracies = async (...args: Parameters<typeof run>): Promise<number[]> =>
  (await run(...args)).points.map(({ accuracy }) => accuracy);

describe('a trial', () => {
  let points: readonly TrialPoint[];
  const accuracyAt = (round: number): number => points[round - 1]?.accuracy ?? Number.NaN;
  beforeAll(async () => {
    ({ points } = await run());
  });

  it('learns', () => {
    expect(points).toHaveLength(6);
    expect(accuracyAt(6)).toBeGreaterThan(accuracyAt(1) + 0.1);
    expect(points.at(-1)?.loss).toBeLessThan(0.8 * (points[0]?.loss ?? 0));
  });

  it('is the same by seed, however many threads it has, and another by another', async () => {
    expect((await run({}, 1, 1)).points).toEqual(points);
    expect((await run({}, 2)).points).not.toEqual(points);
  });

  it('ends when it has reached what it was to reach', async () => {
    const until = accuracyAt(3);
    const ended = await run({ until });
    expect(ended.points.at(-1)?.accuracy).toBeGreaterThanOrEqual(until);
    expect(ended.points.length).toBeLessThanOrEqual(3);
  });

  it('counts what stragglers have done, or drops them', async () => {
    const dropped: Trial['strategy'] = { name: 'fedavg', partialWork: 'drop' };
    const late = { stragglers: 0.75, local: { ...trial.local, epochs: 5 } };
    const kept = await accuracies(late);
    expect(kept).not.toEqual(await accuracies({ ...late, strategy: dropped }));
    expect(kept).not.toEqual(await accuracies({ local: late.local }));
  });

  it('with privacy says what it has spent, and is the same by seed', async () => {
    const privacy: Trial['privacy'] = {
      clip: { kind: 'fixed', norm: 0.5 },
      noiseMultiplier: 1,
      samplingRate: 0.5,
      delta: 1e-3,
    };
    const { points: noised } = await run({ privacy });
    const spent = noised.map(({ epsilon }) => epsilon ?? Number.NaN);
    expect(spent).toHaveLength(6);
    expect(spent.every((epsilon, i) => epsilon > (spent[i - 1] ?? 0))).toBe(true);
    expect((await run({ privacy })).points).toEqual(noised);
    const quiet = await accuracies({ privacy: { ...privacy, noiseMultiplier: 1e-6 } });
    expect(quiet.at(-1)).toBeGreaterThan(accuracyAt(1));
  });

  it('a malicious client spoils an average', async () => {
    const spoiled = await accuracies({ malicious: { count: 3, behaviour: 'sign-flip' } });
    expect(spoiled.at(-1)).toBeLessThan(accuracyAt(6));
  });

  it('a round takes as long as the slowest that it waits for', async () => {
    const timed = async (overSelection: number) =>
      (await run({ time: { kind: 'rounds', overSelection } })).points.at(-1)?.atTime ?? 0;
    expect(await timed(2)).toBeLessThan(await timed(1));
    expect(points.at(-1)?.atTime).toBe(0);
  });

  it('replays over virtual time', async () => {
    const time = { kind: 'buffered', concurrency: 3 } as const;
    const strategy = { name: 'fedbuff', bufferSize: 2 } as const;
    const buffered = await run({ time, strategy });
    expect((await run({ time, strategy }, 1, 1)).points).toEqual(buffered.points);
    expect(buffered.points.map(({ updates }) => updates)).toEqual([2, 4, 6, 8, 10, 12]);
    expect(buffered.staleness?.most).toBeGreaterThan(0);
    const times = buffered.points.map(({ atTime }) => atTime);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  it('ends where nobody’s training comes to numbers, and says so', async () => {
    const strategy = { name: 'fedprox', proximalMu: 1_000 } as const;
    const ended = await run({ strategy, local: { epochs: 5, batch: 10, learningRate: 1 } });
    expect(ended.points).toEqual([]);
    expect(ended.diverged).toContain('round 1');
  });
});
