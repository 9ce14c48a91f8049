import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findLargest } from './find-largest.ts';

const search = async (limit: number, bounds = {}) => {
  const tried: number[] = [];
  const found = await findLargest(
    { first: 100, most: 20_000, precision: 0.1, triesMax: 20, ...bounds },
    async (n) => {
      tried.push(n);
      return n <= limit;
    },
  );
  return { found, tried };
};

describe('the largest that holds', () => {
  it('is found by doubling, then halving', async () => {
    const { found, tried } = await search(700);
    expect(tried).toEqual([100, 200, 400, 800, 600, 700, 750]);
    expect(found).toBe(700);
  });

  it('may be all that is asked for, or nothing', async () => {
    expect((await search(50_000)).found).toBe(20_000);
    expect((await search(0, { first: 4, most: 8 })).found).toBe(0);
  });

  it('is as near as the precision says, and never one that failed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 100, max: 20_000 }), async (limit) => {
        const { found } = await search(limit);
        expect(found).toBeLessThanOrEqual(limit);
        expect(found * 1.1 + 1).toBeGreaterThanOrEqual(limit);
      }),
    );
  });

  it('ends when it has tried often enough', async () => {
    const { tried } = await search(19_000, { triesMax: 3 });
    expect(tried).toEqual([100, 200, 400]);
  });
});
