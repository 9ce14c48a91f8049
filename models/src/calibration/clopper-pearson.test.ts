import { createRandom } from '@skerry/shared';
import { describe, expect, it } from 'vitest';
import { clopperPearson } from './clopper-pearson.ts';

describe('the Clopper–Pearson interval', () => {
  // R's binom.test(x, n, conf.level = 0.95), to its digits: two sides of 2.5 %.
  it.each([
    [0, 10, 0, 0.308_497_1],
    [1, 10, 0.002_528_579, 0.445_016_1],
    [5, 10, 0.187_086, 0.812_914],
    [10, 10, 0.691_502_9, 1],
    [3, 1_000, 0.000_619_122, 0.008_742_316],
  ])('of %i in %i', (successes, trials, lower, upper) => {
    const interval = clopperPearson(successes, trials, 0.025);
    expect(interval.lower).toBeCloseTo(lower, 6);
    expect(interval.upper).toBeCloseTo(upper, 6);
  });

  it('of nothing tried says nothing', () =>
    expect(clopperPearson(0, 0, 0.025)).toEqual({ lower: 0, upper: 1 }));

  it('misses the truth on either side in at most δ of all samples', () => {
    const random = createRandom(1);
    const [trials, truth, delta, samples] = [200, 0.03, 0.05, 2_000];
    let above = 0;
    let below = 0;
    for (let i = 0; i < samples; i++) {
      let successes = 0;
      for (let t = 0; t < trials; t++) if (random.next() < truth) successes++;
      const { lower, upper } = clopperPearson(successes, trials, delta);
      if (lower > truth) above++;
      if (upper < truth) below++;
    }
    expect(above / samples).toBeLessThanOrEqual(delta);
    expect(below / samples).toBeLessThanOrEqual(delta);
  });
});
