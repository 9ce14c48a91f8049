// What escalations may cost in an hour: requests, bytes, money, energy. Token buckets that hold an hour's worth and fill
// evenly. What is spent is written down in the transaction that makes the escalation durable, so that a restart gives
// nothing back. The wall clock fills them, for it goes on while the device is off.

import type { Price } from './decide.ts';

export const budgetNames = ['requests', 'bytes', 'money', 'energy'] as const;
export type BudgetName = (typeof budgetNames)[number];

export interface Bucket {
  readonly tokens: number;
  readonly atMs: number;
}

export interface BudgetTerms {
  /** Each an hour's worth; 0: no such budget. */
  readonly perHour: Readonly<Record<BudgetName, number>>;
  /** Of one escalation, beside its bytes. */
  readonly cost: { readonly money: number; readonly energy: number };
}

/** Durable; called inside the outbox's transaction. */
export interface BudgetStore {
  load(): ReadonlyMap<string, Bucket>;
  save(name: BudgetName, bucket: Bucket): void;
}

export interface Budgets {
  price(nowMs: number): Price;
  /** Inside the transaction that appends the escalation. */
  spend(bytes: number, nowMs: number): void;
}

const hourMs = 3_600_000;
/** The part of a bucket below which escalations begin to cost. */
const reserveShare = 0.5;
const free: Price = { share: 0, budget: '' };

export function refill({ tokens, atMs }: Bucket, perHour: number, nowMs: number): Bucket {
  const gained = (Math.max(0, nowMs - atMs) / hourMs) * perHour;
  return { tokens: Math.min(perHour, tokens + gained), atMs: nowMs };
}

/** Rises evenly from 0 at `reserveShare` to 1 where the next escalation can no longer be paid. */
export function priceShare(tokens: number, perHour: number, cost: number): number {
  if (tokens < cost) return 1;
  return Math.max(0, 1 - tokens / (reserveShare * perHour));
}

export function createBudgets({ perHour, cost }: BudgetTerms, store: BudgetStore): Budgets {
  const names = budgetNames.filter((name) => perHour[name] > 0);
  const buckets = new Map<BudgetName, Bucket>();
  const stored = names.length > 0 ? store.load() : new Map<string, Bucket>();
  for (const name of names)
    buckets.set(name, stored.get(name) ?? { tokens: perHour[name], atMs: 0 });
  let lastBytes = 0;
  const costOf = (name: BudgetName, bytes: number): number =>
    name === 'requests' ? 1 : name === 'bytes' ? bytes : cost[name];
  const filled = (name: BudgetName, nowMs: number): Bucket => {
    const last = buckets.get(name) ?? { tokens: 0, atMs: nowMs };
    const bucket = refill(last, perHour[name], nowMs);
    // The clock was set back: the bucket fills from here on, not from when the clock has caught up.
    if (nowMs < last.atMs) buckets.set(name, bucket);
    return bucket;
  };
  return {
    price(nowMs) {
      let dearest = free;
      for (const name of names) {
        const { tokens } = filled(name, nowMs);
        const share = priceShare(tokens, perHour[name], costOf(name, lastBytes));
        if (share > dearest.share) dearest = { share, budget: name };
      }
      return dearest;
    },
    spend(bytes, nowMs) {
      lastBytes = bytes;
      for (const name of names) {
        const { tokens, atMs } = filled(name, nowMs);
        const bucket = { tokens: tokens - costOf(name, bytes), atMs };
        buckets.set(name, bucket);
        store.save(name, bucket);
      }
    },
  };
}
