import { unwrap } from '@skerry/shared/testing';
import { describe, expect, it } from 'vitest';
import { epsilonAfter } from './accountant.ts';
import {
  type Commitment,
  decideCommitment,
  decideRelease,
  foldLedger,
  type Ledger,
  ledgerEventSchema,
  openLedger,
  privacyBudgetSchema,
  roundsLeft,
  spentOf,
  stateOf,
} from './ledger.ts';
import { defaultOrders } from './orders.ts';

const budget = privacyBudgetSchema.parse({ epsilonMax: 10, delta: 1e-3 });
const mechanism = { samplingRate: 0.2, noiseMultiplier: 1 };
const reading = {
  delta: 1e-3,
  conversion: 'canonne-kamath-steinke',
  orders: defaultOrders,
} as const;
const place = (round: number, attempt = 1): Commitment => ({
  round,
  attempt,
  atMs: round,
  mechanism,
  clip: 0.3,
});

const commit = (ledger: Ledger, commitment: Commitment): Ledger =>
  foldLedger(ledger, unwrap(decideCommitment(ledger, commitment)));
const release = (ledger: Ledger, commitment: Commitment): Ledger =>
  foldLedger(ledger, unwrap(decideRelease(ledger, commitment)));

describe('the ledger', () => {
  it('[PRV6] has spent nothing before its first round, and then what the accountant says', () => {
    let ledger = openLedger(budget);
    expect(spentOf(ledger).epsilon).toBe(0);
    for (let round = 1; round <= 60; round++)
      ledger = release(commit(ledger, place(round)), place(round));
    expect(spentOf(ledger).epsilon).toBeCloseTo(epsilonAfter(60, mechanism, reading).epsilon, 9);
    expect(stateOf(ledger)).toMatchObject({
      delta: 1e-3,
      conversion: 'canonne-kamath-steinke',
      unit: 'client',
      sampling: 'poisson',
      committed: 60,
      released: 60,
      mechanisms: [{ mechanism, rounds: 60 }],
    });
  });

  it('[PRV6] refuses the round that would go beyond its budget, and each after it', () => {
    let ledger = openLedger(budget);
    const left = roundsLeft(ledger, mechanism, 1_000);
    for (let round = 1; round <= left; round++) ledger = commit(ledger, place(round));
    expect(spentOf(ledger).epsilon).toBeLessThanOrEqual(10);
    expect(roundsLeft(ledger, mechanism, 1_000)).toBe(0);
    for (const round of [left + 1, left + 2])
      expect(decideCommitment(ledger, place(round))).toMatchObject({
        error: { code: 'budget_spent', retryable: false },
      });
    expect(epsilonAfter(left + 1, mechanism, reading).epsilon).toBeGreaterThan(10);
    // A round with more noise may still be had.
    const quiet = { ...place(left + 1), mechanism: { ...mechanism, noiseMultiplier: 50 } };
    expect(decideCommitment(ledger, quiet).ok).toBe(true);
  });

  it('[PRV6] counts a retry, and a round that was given up', () => {
    let ledger = openLedger(budget);
    for (const attempt of [1, 2, 3]) ledger = commit(ledger, place(1, attempt));
    ledger = commit(ledger, place(2));
    expect(spentOf(ledger).epsilon).toBeCloseTo(epsilonAfter(4, mechanism, reading).epsilon, 12);
    expect(stateOf(ledger)).toMatchObject({ committed: 4, released: 0 });
  });

  it('[PRV6] lets out only what was committed last, and once', () => {
    const empty = openLedger(budget);
    expect(decideRelease(empty, place(1)).ok).toBe(false);
    const first = commit(empty, place(1));
    expect(decideRelease(first, place(1, 2)).ok).toBe(false);
    expect(decideRelease(first, place(2)).ok).toBe(false);
    const out = release(first, place(1));
    expect(decideRelease(out, place(1)).ok).toBe(false);
    expect(decideRelease(commit(out, place(2)), place(1)).ok).toBe(false);
  });

  it('[PRV6] takes no commitment twice, and none from before', () => {
    const ledger = commit(openLedger(budget), place(2, 2));
    for (const [round, attempt] of [
      [2, 2],
      [2, 1],
      [1, 9],
    ] as const)
      expect(decideCommitment(ledger, place(round, attempt)).ok).toBe(false);
    expect(decideCommitment(ledger, place(2, 3)).ok).toBe(true);
  });

  it('[PRV6] refuses a round without noise, without a sample, and without a clip', () => {
    const ledger = openLedger(budget);
    for (const broken of [
      { mechanism: { ...mechanism, noiseMultiplier: 0 } },
      { mechanism: { ...mechanism, noiseMultiplier: Number.NaN } },
      { mechanism: { ...mechanism, samplingRate: 0 } },
      { mechanism: { ...mechanism, samplingRate: 1.1 } },
      { clip: 0 },
      { clip: Number.POSITIVE_INFINITY },
    ])
      expect(decideCommitment(ledger, { ...place(1), ...broken })).toMatchObject({
        error: { code: 'invalid_argument' },
      });
  });

  it('[PRV6] comes out of its events the same, read back from JSON', () => {
    let ledger = openLedger(budget);
    const log: string[] = [];
    for (let round = 1; round <= 5; round++) {
      const committed = unwrap(
        decideCommitment(ledger, {
          ...place(round),
          mechanism: { samplingRate: 0.1 * round, noiseMultiplier: 2 },
        }),
      );
      ledger = foldLedger(ledger, committed);
      const released = unwrap(decideRelease(ledger, place(round)));
      ledger = foldLedger(ledger, released);
      log.push(JSON.stringify(committed), JSON.stringify(released));
    }
    const replayed = log
      .map((line) => ledgerEventSchema.parse(JSON.parse(line)))
      .reduce(foldLedger, openLedger(budget));
    expect(replayed).toEqual(ledger);
  });

  it('[PRV6] goes on from what the same clients have paid before', () => {
    const carried = openLedger({ ...budget, carried: [{ mechanism, rounds: 30 }] });
    expect(spentOf(carried).epsilon).toBeCloseTo(epsilonAfter(30, mechanism, reading).epsilon, 12);
    const whole = commit(carried, place(1));
    expect(spentOf(whole).epsilon).toBeCloseTo(epsilonAfter(31, mechanism, reading).epsilon, 12);
  });
});
