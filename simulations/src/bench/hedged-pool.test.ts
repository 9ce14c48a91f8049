import { expect, it } from 'vitest';
import { percentile } from '../demo/scoreboard.ts';
import { runHedgedPool } from './hedged-pool.ts';

it('a second call halves the tail at least, within its share, and one seed gives one run', async () => {
  const run = (hedgeShareMax: number) => runHedgedPool({ hedgeShareMax, calls: 1_000, seed: 3 });
  const [alone, hedged] = [await run(0), await run(0.05)];
  const p99 = ({ latenciesMs }: typeof alone) => percentile(latenciesMs, 0.99);
  expect(alone.hedges).toBe(0);
  expect(hedged.hedges).toBeLessThanOrEqual(0.05 * 1_000);
  expect(p99(hedged)).toBeLessThan(p99(alone) / 2);
  expect(await run(0.05)).toEqual(hedged);
});
