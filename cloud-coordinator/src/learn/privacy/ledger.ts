// What a run has spent of its privacy, as the fold of its events. A round is committed, and that is durable, before its noise is
// drawn; only what was committed may be released. So whatever is cut between two writes, no model is out that was not paid for.
//
//   decideCommitment ─▶ committed ─▶ (noise, aggregate, the new model is stored) ─▶ decideRelease ─▶ released
//
// What is committed stays spent: a retry is an attempt of its own and pays again, since of one that was given up nobody can say
// who has seen it. A budget that another round would exceed refuses it.

import { assert, err, failure, ok, type Result } from '@skerry/shared';
import { type Conversion, conversions } from '@skerry/shared/privacy';
import { blobRefSchema } from '@skerry/sync-protocol/blobs';
import { z } from 'zod';
import { type Epsilon, epsilonOf, rdpOf } from './accountant.ts';
import { defaultOrders } from './orders.ts';
import type { Mechanism } from './subsampled-gaussian.ts';

/** Of one run; each is a sum of its own in the ledger. */
const mechanismsMax = 10_000;
export const privacyRoundsMax = 100_000;

export const mechanismSchema = z.strictObject({
  samplingRate: z.number().gt(0).max(1),
  noiseMultiplier: z.number().gt(0).max(1e6),
});

export const privacyBudgetSchema = z.strictObject({
  epsilonMax: z.number().gt(0).max(1e6),
  delta: z.number().gt(0).lt(1),
  conversion: z
    .enum(conversions as [Conversion, ...Conversion[]])
    .default('canonne-kamath-steinke'),
  /** What the same clients have paid for earlier runs that this one goes on from. */
  carried: z
    .array(
      z.strictObject({ mechanism: mechanismSchema, rounds: z.int().min(1).max(privacyRoundsMax) }),
    )
    .max(mechanismsMax)
    .default([]),
});
export type PrivacyBudget = z.infer<typeof privacyBudgetSchema>;

const placeSchema = {
  round: z.int().nonnegative(),
  attempt: z.int().min(1),
  atMs: z.int().nonnegative(),
};

export const ledgerEventSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('privacy-committed'),
    ...placeSchema,
    mechanism: mechanismSchema,
    /** The norm to which the round's updates are clipped. */
    clip: z.number().gt(0),
    /** The key from which its noise is drawn, as a blob: whoever is killed before the release draws the same again. */
    noiseKey: blobRefSchema.optional(),
  }),
  z.strictObject({ kind: z.literal('privacy-released'), ...placeSchema }),
]);
export type LedgerEvent = z.infer<typeof ledgerEventSchema>;
export type Commitment = Omit<Extract<LedgerEvent, { kind: 'privacy-committed' }>, 'kind'>;
type Place = Pick<Commitment, 'round' | 'attempt'>;

interface Entry {
  readonly mechanism: Mechanism;
  readonly rounds: number;
  /** Of one round, by order. */
  readonly rdp: readonly number[];
}

export interface Ledger {
  readonly budget: PrivacyBudget;
  readonly entries: readonly Entry[];
  /** The newest commitment: those that come are later ones. */
  readonly last: Commitment | undefined;
  readonly committed: number;
  readonly released: number;
  readonly lastReleased: Place | undefined;
}

export function openLedger(budget: PrivacyBudget): Ledger {
  const entries = budget.carried.reduce(
    (known: readonly Entry[], { mechanism, rounds }) => add(known, mechanism, rounds),
    [],
  );
  return { budget, entries, last: undefined, committed: 0, released: 0, lastReleased: undefined };
}

/** The event to write down before any noise is drawn; refused with `budget_spent` where the budget has no more such round. */
export function decideCommitment(ledger: Ledger, commitment: Commitment): Result<LedgerEvent> {
  const { mechanism, round, attempt } = commitment;
  const parsed = ledgerEventSchema.safeParse({ kind: 'privacy-committed', ...commitment });
  if (!parsed.success)
    return err(failure('invalid_argument', 'a round without noise, clip or sample is not private'));
  if (ledger.last && !isAfter(commitment, ledger.last))
    return err(
      failure(
        'invalid_argument',
        `round ${round}, attempt ${attempt} is not after the last that was committed`,
      ),
    );
  const entries = add(ledger.entries, mechanism, 1);
  if (ledger.committed >= privacyRoundsMax || entries.length > mechanismsMax)
    return err(failure('budget_spent', 'more rounds than a ledger holds'));
  const { epsilon } = read(entries, ledger.budget);
  const { epsilonMax, delta } = ledger.budget;
  if (epsilon > epsilonMax)
    return err(
      failure(
        'budget_spent',
        `round ${round} would bring ε to ${epsilon.toFixed(4)} at δ ${delta}, of ${epsilonMax}`,
      ),
    );
  return ok(parsed.data);
}

/** Allowed for the newest commitment, once. */
export function decideRelease(
  ledger: Ledger,
  place: Place & { readonly atMs: number },
): Result<LedgerEvent> {
  const { round, attempt, atMs } = place;
  if (!ledger.last || !isSame(ledger.last, place))
    return err(failure('invalid_argument', `round ${round}, attempt ${attempt} was not committed`));
  if (ledger.lastReleased && isSame(ledger.lastReleased, place))
    return err(failure('invalid_argument', `round ${round}, attempt ${attempt} is out already`));
  return ok({ kind: 'privacy-released', round, attempt, atMs });
}

export function foldLedger(ledger: Ledger, event: LedgerEvent): Ledger {
  if (event.kind === 'privacy-released') {
    const { round, attempt } = event;
    return { ...ledger, released: ledger.released + 1, lastReleased: { round, attempt } };
  }
  const { kind: _, ...last } = event;
  const entries = add(ledger.entries, event.mechanism, 1);
  return { ...ledger, entries, last, committed: ledger.committed + 1 };
}

/** The key of noise that is not out yet. */
export const openNoiseKey = ({ last, lastReleased }: Ledger): Commitment['noiseKey'] =>
  last && lastReleased && isSame(last, lastReleased) ? undefined : last?.noiseKey;

/** ε so far, all that was committed counted. */
export const spentOf = (ledger: Ledger): Epsilon => read(ledger.entries, ledger.budget);

/** ε after each round, with all of its attempts. */
export function spentByRound(
  budget: PrivacyBudget,
  events: readonly LedgerEvent[],
): ReadonlyMap<number, number> {
  const spent = new Map<number, number>();
  let ledger = openLedger(budget);
  for (const event of events) {
    ledger = foldLedger(ledger, event);
    if (event.kind === 'privacy-committed') spent.set(event.round, spentOf(ledger).epsilon);
  }
  return spent;
}

/** How many more rounds of this mechanism the budget holds, up to a most. */
export function roundsLeft(ledger: Ledger, mechanism: Mechanism, most: number): number {
  let [low, high] = [0, most];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    const { epsilon } = read(add(ledger.entries, mechanism, middle), ledger.budget);
    if (epsilon <= ledger.budget.epsilonMax) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** For the card of the model that came of it: a claim with all that it rests on. */
export interface PrivacyStatement {
  readonly epsilon: number;
  readonly delta: number;
  readonly conversion: Conversion;
  readonly order: number;
  readonly epsilonMax: number;
  /** What is hidden: that one client took part at all, with all its examples. */
  readonly unit: 'client';
  /** `none`: no device was hidden by not being asked. */
  readonly sampling: 'poisson' | 'none';
  readonly committed: number;
  readonly released: number;
  readonly mechanisms: readonly { readonly mechanism: Mechanism; readonly rounds: number }[];
}

export function stateOf(ledger: Ledger): PrivacyStatement {
  const { epsilonMax, delta, conversion } = ledger.budget;
  return {
    ...spentOf(ledger),
    delta,
    conversion,
    epsilonMax,
    unit: 'client',
    sampling: ledger.entries.some(({ mechanism }) => mechanism.samplingRate < 1)
      ? 'poisson'
      : 'none',
    committed: ledger.committed,
    released: ledger.released,
    mechanisms: ledger.entries.map(({ mechanism, rounds }) => ({ mechanism, rounds })),
  };
}

function read(entries: readonly Entry[], { delta, conversion }: PrivacyBudget): Epsilon {
  // Nothing tells nothing: a conversion would still charge for δ.
  if (entries.length === 0) return { epsilon: 0, order: defaultOrders[0] as number };
  const sum = defaultOrders.map((_, i) =>
    entries.reduce((total, { rdp, rounds }) => total + rounds * (rdp[i] as number), 0),
  );
  return epsilonOf(sum, { delta, conversion, orders: defaultOrders });
}

function add(entries: readonly Entry[], mechanism: Mechanism, rounds: number): readonly Entry[] {
  assert(rounds >= 0, 'rounds are counted');
  const same = (entry: Entry): boolean =>
    entry.mechanism.samplingRate === mechanism.samplingRate &&
    entry.mechanism.noiseMultiplier === mechanism.noiseMultiplier;
  if (rounds === 0) return entries;
  if (entries.some(same))
    return entries.map((entry) =>
      same(entry) ? { ...entry, rounds: entry.rounds + rounds } : entry,
    );
  return [...entries, { mechanism, rounds, rdp: rdpOf(mechanism, defaultOrders) }];
}

const isAfter = (a: Place, b: Place): boolean =>
  a.round > b.round || (a.round === b.round && a.attempt > b.attempt);
const isSame = (a: Place, b: Place): boolean => a.round === b.round && a.attempt === b.attempt;
