// A round's numbers: the long part of it, and nothing of logs, blobs or time. From plain data to plain data, so that a thread of
// its own does it while the coordinator answers others, and comes to the same bytes there and here. [RND23]

import { type Digest, ok, type Result } from '@skerry/shared';
import { createKeystreamBytes } from '@skerry/shared/node';
import { type LearnPlan, vectorBytes } from '@skerry/sync-protocol/learn';
import type { Cryptography } from '@skerry/sync-protocol/secure-aggregation';
import { openMaskedSum, updateOf } from '../masking/index.ts';
import { aggregatePrivately, type PrivatelyAggregated } from '../privacy/index.ts';
import { type Screening, type ScreenLimits, screenUpdates } from '../screen-update.ts';
import {
  type Aggregated,
  type AggregateReport,
  type ClientUpdate,
  decodeState,
  encodeState,
  type Strategy,
  type StrategyState,
} from '../strategies/index.ts';
import { norm } from '../strategies/vectors.ts';
import { normMaxOf } from './norm-max.ts';
import { readUpdate } from './read-update.ts';
import type { RunPlan } from './run-plan.ts';
import { strategyOf } from './strategy-of.ts';

/** The parts of a work are asked for one after the other: of all at once a round may have gigabytes. Each is given away. */
export type ReadPart = (place: number) => Promise<Result<Uint8Array>>;

interface Before {
  readonly plan: RunPlan;
  readonly learn: LearnPlan;
  /** The strategy's, encoded; given away. */
  readonly state: Uint8Array;
  readonly stateDigest: string;
}

/** Each update's bytes are a part. */
export interface AggregateWork extends Before {
  readonly kind: 'aggregate';
  readonly updates: readonly (Omit<ClientUpdate, 'delta' | 'control'> & {
    readonly controlAt?: number;
  })[];
  /** Of a private run: to what is clipped, and what the noise is drawn from. */
  readonly privacy?: { readonly clip: number; readonly noiseKey: Uint8Array };
}

/** Each masked vector is a part. */
export interface UnmaskWork extends Before {
  readonly kind: 'unmask';
  /** The masked round, encoded. */
  readonly round: Uint8Array;
  /** Whose vectors they are. */
  readonly inputs: readonly string[];
}

/** As they are kept. */
export interface ModelBytes {
  readonly parameters: Uint8Array;
  readonly state: Uint8Array;
  readonly control?: Uint8Array;
}

export interface Made extends Partial<Pick<PrivatelyAggregated, 'clip' | 'noiseSigma'>> {
  readonly model: ModelBytes;
  readonly report: AggregateReport;
}

export interface AggregateDone {
  /** Of each update. */
  readonly screened: readonly Screening[];
  /** Fails where the strategy refuses what has come. */
  readonly made: Result<Made>;
}

export interface UnmaskDone {
  readonly survivors: readonly string[];
  readonly liars: readonly string[];
  /** Fails where the strategy refuses the sum. Of a query there are its totals. */
  readonly made: Result<Made | Totals>;
}

/** Of each number of an answer, over all. */
export interface Totals {
  readonly totals: Float64Array;
}

/** Both fail as `read` does, and where whoever works has ended: then it may be tried again. */
export interface RoundNumbers {
  aggregate(work: AggregateWork, read: ReadPart): Promise<Result<AggregateDone>>;
  /** Fails as `openMaskedSum` does. */
  unmask(work: UnmaskWork, read: ReadPart): Promise<Result<UnmaskDone>>;
}

/** On the thread that asks. */
export const numbersHere = (cryptography: Cryptography): RoundNumbers => ({
  aggregate: aggregateNumbers,
  unmask: (work, read) => unmaskNumbers(work, read, cryptography),
});

export async function aggregateNumbers(
  work: AggregateWork,
  read: ReadPart,
): Promise<Result<AggregateDone>> {
  const { plan, learn } = work;
  const begun = begin(work);
  if (!begun.ok) return begun;
  const { strategy, before } = begun.value;
  const updates: ClientUpdate[] = [];
  for (const [place, { controlAt, ...client }] of work.updates.entries()) {
    const bytes = await read(place);
    if (!bytes.ok) return bytes;
    const vectors = readUpdate(bytes.value, learn, controlAt);
    if (!vectors.ok) return vectors;
    updates.push({ ...client, ...vectors.value });
  }
  const screened = screen(plan, updates, before);
  const sound = updates.filter((_, i) => screened[i]?.reason === undefined);
  const aggregated = combine(work, strategy, before, sound);
  return ok({ screened, made: made(strategy, aggregated) });
}

export async function unmaskNumbers(
  work: UnmaskWork,
  read: ReadPart,
  cryptography: Cryptography,
): Promise<Result<UnmaskDone>> {
  const begun = begin(work);
  if (!begun.ok) return begun;
  const { strategy, before } = begun.value;
  const opened = await openMaskedSum(work.round, work.inputs, read, cryptography);
  if (!opened.ok) return opened;
  const { survivors, liars, aggregate } = opened.value;
  if (work.plan.query !== undefined) {
    const totals = aggregate.mean.map((mean) => mean * aggregate.weight);
    return ok({ survivors, liars, made: ok({ totals }) });
  }
  const aggregated = strategy.aggregateTrain(before, [updateOf(opened.value)]);
  return ok({ survivors, liars, made: made(strategy, aggregated) });
}

function begin({
  plan,
  learn,
  state,
  stateDigest,
}: Before): Result<{ strategy: Strategy; before: StrategyState }> {
  const strategy = strategyOf(plan, learn.layout);
  if (!strategy.ok) return strategy;
  const before = decodeState(state, stateDigest as Digest);
  return before.ok ? ok({ strategy: strategy.value, before: before.value }) : before;
}

function combine(
  { plan, privacy }: AggregateWork,
  strategy: Strategy,
  before: StrategyState,
  updates: readonly ClientUpdate[],
): Result<Aggregated & Partial<PrivatelyAggregated>> {
  if (plan.privacy?.central === undefined || privacy === undefined)
    return strategy.aggregateTrain(before, updates);
  const round = { privacy: plan.privacy.central, clip: privacy.clip, updates };
  return aggregatePrivately(strategy, before, round, createKeystreamBytes(privacy.noiseKey));
}

function made(
  strategy: Strategy,
  aggregated: Result<Aggregated & Partial<PrivatelyAggregated>>,
): Result<Made> {
  if (!aggregated.ok) return aggregated;
  const { state, report, clip, noiseSigma } = aggregated.value;
  return ok({
    model: modelBytes(strategy, state),
    report,
    ...(clip === undefined ? {} : { clip }),
    ...(noiseSigma === undefined ? {} : { noiseSigma }),
  });
}

export function modelBytes(strategy: Strategy, state: StrategyState): ModelBytes {
  const { control } = strategy.configureTrain(state);
  return {
    parameters: vectorBytes(state.parameters),
    state: encodeState(state).bytes,
    ...(control === undefined ? {} : { control: vectorBytes(control) }),
  };
}

/**
 * No longer than an update of the plan can be. That one points away from the others is told, and keeps it out only where the plan
 * says so: close to the end honest updates of unlike devices cancel each other, and each is against the rest.
 */
function screen(
  plan: RunPlan,
  updates: readonly ClientUpdate[],
  { parameters, slots }: StrategyState,
): readonly Screening[] {
  // A private sum's sensitivity is its clip only where no client decides whether another counts. [PRV16]
  const cohortMin = plan.privacy === undefined ? plan.screen.cohortMin : updates.length + 1;
  const limits = {
    ...plan.screen,
    cohortMin,
    ...boundsOf(plan, parameters.length, slots['control']),
  };
  return screenUpdates(updates, parameters.length, limits).map(({ reason, ...screening }) =>
    reason === undefined || (reason === 'against-cohort' && limits.cosineMin === -1)
      ? screening
      : { ...screening, reason },
  );
}

/**
 * A client's control variate moves by −c − Δ/(Kη), of the Δ before it is clipped: no longer than ‖c‖ and what one step of an
 * update would be that has no business being so long.
 */
function boundsOf(
  plan: RunPlan,
  size: number,
  control: Float64Array | undefined,
): Pick<ScreenLimits, 'normMax' | 'controlNormMax'> {
  const { screen: limits, work } = plan;
  const normMax = normMaxOf(plan, size);
  if (control === undefined || normMax === undefined || limits.controlNormMax !== undefined)
    return { normMax };
  const steps = (limits.normRatioMax * normMax) / work.learningRate;
  return { normMax, controlNormMax: norm(control) + steps };
}
