import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Bucket, type BudgetStore, createBudgets, priceShare, refill } from './budgets.ts';

const hourMs = 3_600_000;
const none = { requests: 0, bytes: 0, money: 0, energy: 0 };
const cost = { money: 3, energy: 0 };

function memory(): BudgetStore {
  const buckets = new Map<string, Bucket>();
  return {
    load: () => new Map(buckets),
    save: (name, bucket) => void buckets.set(name, bucket),
  };
}

describe('a bucket', () => {
  it('fills by an hour’s worth in an hour, never above it, and not when the clock is set back', () => {
    expect(refill({ tokens: 0, atMs: 0 }, 10, hourMs / 2).tokens).toBe(5);
    expect(refill({ tokens: 9, atMs: 0 }, 10, hourMs).tokens).toBe(10);
    expect(refill({ tokens: 3, atMs: hourMs }, 10, 0).tokens).toBe(3);
  });

  it('costs nothing above the half, and all below one escalation', () => {
    expect([10, 5, 4, 1, 0.9].map((tokens) => priceShare(tokens, 10, 1))).toEqual([
      0,
      0,
      expect.closeTo(0.2),
      0.8,
      1,
    ]);
  });
});

describe('budgets', () => {
  it('without a bound cost nothing and store nothing', () => {
    const store = memory();
    const budgets = createBudgets({ perHour: none, cost }, store);
    for (let i = 0; i < 100; i++) budgets.spend(1e9, 0);
    expect(budgets.price(0)).toMatchObject({ share: 0 });
    expect(store.load().size).toBe(0);
  });

  it('name the scarcest', () => {
    const perHour = { ...none, requests: 100, bytes: 10_000, money: 12 };
    const budgets = createBudgets({ perHour, cost }, memory());
    budgets.spend(1_000, 0);
    budgets.spend(1_000, 0);
    budgets.spend(1_000, 0);
    expect(budgets.price(0)).toEqual({ share: 0.5, budget: 'money' }); // 3 of 12 are left.
    budgets.spend(6_500, 0);
    expect(budgets.price(0)).toEqual({ share: 1, budget: 'bytes' });
  });

  it('give nothing back at a restart', () => {
    const store = memory();
    const terms = { perHour: { ...none, requests: 2 }, cost };
    const first = createBudgets(terms, store);
    first.spend(1, 1_000);
    first.spend(1, 1_000);
    expect(createBudgets(terms, store).price(1_000).share).toBe(1);
    expect(createBudgets(terms, store).price(1_000 + hourMs).share).toBe(0);
  });

  it('that a clock ahead has emptied fill from when it is set back, also after a restart', () => {
    const store = memory();
    const terms = { perHour: { ...none, requests: 2 }, cost };
    const aheadMs = 1_000 * hourMs;
    const first = createBudgets(terms, store);
    first.spend(1, aheadMs);
    first.spend(1, aheadMs);
    for (const budgets of [first, createBudgets(terms, store)]) {
      expect(budgets.price(0).share).toBe(1);
      expect(budgets.price(hourMs).share).toBe(0);
    }
  });

  it('spend in any hour at most two hours’ worth, however long they saved and whoever asks', () => {
    const gaps = fc.array(fc.nat(120_000), { minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(gaps, (waits) => {
        const budgets = createBudgets({ perHour: { ...none, requests: 20 }, cost }, memory());
        const spent: number[] = [];
        let nowMs = 0;
        for (const wait of waits) {
          nowMs += wait;
          if (budgets.price(nowMs).share >= 1) continue;
          budgets.spend(1, nowMs);
          spent.push(nowMs);
        }
        const inHour = (from: number) => spent.filter((at) => at >= from && at < from + hourMs);
        for (const from of spent) expect(inHour(from).length).toBeLessThanOrEqual(40);
      }),
      { numRuns: 30 },
    );
  });
});
