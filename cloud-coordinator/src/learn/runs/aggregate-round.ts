// The updates of a round, put together: from the log's names to the next model. The same log gives the same bytes, however
// often it is tried and by whom. [RND8]

import { type Digest, ok, type Result } from '@skerry/shared';
import { createKeystreamBytes, keystreamKeyBytes } from '@skerry/shared/node';
import type { RandomBytes } from '@skerry/shared/privacy';
import type { BlobStore } from '@skerry/sync-protocol/blobs';
import {
  aggregatePrivately,
  decideCommitment,
  decideRelease,
  mechanismOf,
  openNoiseKey,
  type PrivatelyAggregated,
} from '../privacy/index.ts';
import { type Screening, type ScreenLimits, screenUpdates } from '../screen-update.ts';
import {
  type Aggregated,
  type ClientUpdate,
  createStrategy,
  decodeState,
  type EvaluateResult,
  type Strategy,
  type StrategyState,
} from '../strategies/index.ts';
import { norm } from '../strategies/vectors.ts';
import { type ModelBlobsPorts, readBlob, runOwner, storeFor, storeModel } from './model-blobs.ts';
import { normMaxOf } from './norm-max.ts';
import { readUpdate } from './read-update.ts';
import type { Contribution, RunEvent, RunEventOf } from './run-event.ts';
import type { RunPlan } from './run-plan.ts';
import { isOfRound, type Member, type RunState } from './run-state.ts';
import { strategyOf } from './strategy-of.ts';

/** Of the metrics that clients say; those of an event are bounded. */
const metricsMax = 128;

export interface AggregatePorts extends ModelBlobsPorts {
  /** Of a private run: where the keys of its noise come from. */
  readonly chance: RandomBytes;
}

/**
 * `aggregated`; or `closed`, where the strategy refuses what has come. Fails as the blobs do, and then it may be tried
 * again.
 */
export async function aggregateRound(
  ports: AggregatePorts,
  state: RunState,
  nowMs: () => number,
): Promise<Result<readonly RunEvent[]>> {
  const committed = await commitPrivacy(ports, state, nowMs());
  if (!committed.ok) return committed;
  if (committed.value !== undefined) return ok([committed.value]);
  const strategy = strategyOf(state.plan, state.learn.layout);
  if (!strategy.ok) return strategy;
  const before = await readState(ports.blobs, state);
  if (!before.ok) return before;
  const trained = trainedMembers(state);
  const updates: ClientUpdate[] = [];
  for (const each of trained) {
    const update = await readMember(ports.blobs, state, each);
    if (!update.ok) return update;
    updates.push(update.value);
  }
  const screened = screen(state, updates, before.value);
  const sound = updates.filter((_, i) => screened[i]?.reason === undefined);
  const noise = await noiseOf(ports, state);
  if (!noise.ok) return noise;
  const aggregated = combine(noise.value, state, strategy.value, before.value, sound);
  if (!aggregated.ok && state.asynchronous)
    return ok([dropped(state, trained, screened, aggregated.error.message, nowMs())]);
  if (!aggregated.ok)
    return ok([{ kind: 'closed', atMs: nowMs(), reason: aggregated.error.message.slice(0, 512) }]);
  const { state: after, report, clip, noiseSigma } = aggregated.value;
  const model = await storeModel(ports, state.plan.id, strategy.value, after);
  if (!model.ok) return model;
  const shares = new Map(report.clients.map((share) => [share.client, share]));
  const contributions = trained.map(({ device, member, progress }, i): Contribution => {
    // Of a private round nothing is said of single clients but who was left out.
    const isUsed = clip !== undefined && screened[i]?.reason === undefined;
    const share = shares.get(device);
    const { used = isUsed, weight, score, reason = screened[i]?.reason } = share ?? {};
    const { anomaly = 0 } = screened[i] ?? {};
    return {
      device,
      round: member.round,
      attempt: member.attempt,
      update: progress.update.digest,
      examples: progress.examples,
      used,
      ...(weight === undefined ? {} : { weight }),
      ...(score === undefined ? {} : { score }),
      ...(Number.isFinite(anomaly) ? { anomaly } : {}),
      ...(reason === undefined ? {} : { reason }),
    };
  });
  const { changed, deltaNorm, stepNorm } = report;
  const aggregate: RunEvent = {
    kind: 'aggregated',
    atMs: nowMs(),
    round: state.round,
    attempt: isOfRound(state.phase) ? state.phase.attempt : 1,
    model: model.value,
    changed,
    contributions,
    deltaNorm,
    stepNorm,
    metrics: bounded(report.metrics),
    ...(clip === undefined ? {} : { clip }),
    ...(noiseSigma === undefined ? {} : { noiseSigma }),
  };
  if (state.privacy === undefined) return ok([aggregate]);
  // The model is out when these two are in the log, and not before.
  const { round, attempt } = placeOf(state);
  const released = decideRelease(state.privacy.ledger, { round, attempt, atMs: nowMs() });
  return released.ok ? ok([released.value, aggregate]) : released;
}

/** Nothing of this buffer can be added. Its clients make room for others; the model, and who is at work, stay. [RND9] */
function dropped(
  state: RunState,
  trained: readonly Trained[],
  screened: readonly Screening[],
  message: string,
  atMs: number,
): RunEvent {
  const contributions = trained.map(
    ({ device, member, progress }, i): Contribution => ({
      device,
      round: member.round,
      attempt: member.attempt,
      update: progress.update.digest,
      examples: progress.examples,
      used: false,
      reason: screened[i]?.reason ?? message.slice(0, 128),
    }),
  );
  return {
    kind: 'aggregated',
    atMs,
    ...placeOf(state),
    model: state.model,
    changed: false,
    contributions,
    deltaNorm: 0,
    stepNorm: 0,
    metrics: {},
  };
}

const placeOf = ({ phase, round }: RunState) => ({
  round,
  attempt: isOfRound(phase) ? phase.attempt : 1,
});

/**
 * Durable before any noise is drawn; `undefined` where it is, or where the run is not private. [PRV6] With it the key that the
 * noise is drawn from: two noises of one sum would tell more of it than was paid for. [PRV17]
 */
async function commitPrivacy(
  ports: AggregatePorts,
  state: RunState,
  atMs: number,
): Promise<Result<RunEvent | undefined>> {
  const { plan, privacy } = state;
  if (plan.privacy === undefined || privacy === undefined) return ok(undefined);
  const { ledger, clip } = privacy;
  const { round, attempt } = placeOf(state);
  if (ledger.last?.round === round && ledger.last.attempt === attempt) return ok(undefined);
  const key = new Uint8Array(keystreamKeyBytes);
  ports.chance.fill(key);
  const noiseKey = await storeFor(ports, runOwner(plan.id), key);
  if (!noiseKey.ok) return noiseKey;
  const mechanism = mechanismOf(plan.privacy.central);
  const commitment = { round, attempt, atMs, mechanism, clip, noiseKey: noiseKey.value };
  const decided = decideCommitment(ledger, commitment);
  return ok(decided.ok ? decided.value : { kind: 'spent', atMs, reason: decided.error.message });
}

/** Of the round that is committed. A log of before there were keys has none, and draws anew. */
async function noiseOf(
  { blobs, chance }: AggregatePorts,
  { privacy }: RunState,
): Promise<Result<RandomBytes>> {
  const ref = privacy && openNoiseKey(privacy.ledger);
  if (ref === undefined) return ok(chance);
  const key = await readBlob(blobs, ref);
  return key.ok ? ok(createKeystreamBytes(key.value)) : key;
}

function combine(
  noise: RandomBytes,
  { plan, privacy }: RunState,
  strategy: Strategy,
  before: StrategyState,
  updates: readonly ClientUpdate[],
): Result<Aggregated & Partial<Pick<PrivatelyAggregated, 'clip' | 'noiseSigma'>>> {
  if (plan.privacy === undefined || privacy === undefined)
    return strategy.aggregateTrain(before, updates);
  const round = { privacy: plan.privacy.central, clip: privacy.clip, updates };
  return aggregatePrivately(strategy, before, round, noise);
}

/**
 * No longer than an update of the plan can be. That one points away from the others is told, and keeps it out only where the plan
 * says so: close to the end honest updates of unlike devices cancel each other, and each is against the rest.
 */
function screen(
  { plan, privacy }: RunState,
  updates: readonly ClientUpdate[],
  { parameters, slots }: StrategyState,
): readonly Screening[] {
  // A private sum's sensitivity is its clip only where no client decides whether another counts. [PRV16]
  const cohortMin = privacy === undefined ? plan.screen.cohortMin : updates.length + 1;
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

/** What the devices that were asked say of the model. */
export function evaluateRound(
  state: RunState,
  central: Readonly<Record<string, number>> | undefined,
  atMs: number,
): RunEventOf<'evaluated'> {
  const results: EvaluateResult[] = [];
  for (const [client, { progress, cohort }] of state.members)
    if (progress.kind === 'evaluated') {
      const { examples, metrics } = progress;
      results.push({ client, examples, metrics, cohort });
    }
  const report = createStrategy(state.plan.strategy).aggregateEvaluate(results);
  const { leftOut: _, cohorts, fairness, ...group } = report;
  const cohortsBounded = Object.entries(cohorts).map(
    ([cohort, each]) => [cohort, { ...each, metrics: bounded(each.metrics) }] as const,
  );
  return {
    kind: 'evaluated',
    atMs,
    round: state.round,
    ...(report.clients === 0
      ? {}
      : {
          federated: {
            ...group,
            metrics: bounded(group.metrics),
            cohorts: Object.fromEntries(cohortsBounded),
            fairness: bounded(fairness),
          },
        }),
    ...(central === undefined ? {} : { central: { ...central } }),
  };
}

export async function readState(
  blobs: Pick<BlobStore, 'read'>,
  { model }: RunState,
): Promise<Result<StrategyState>> {
  const bytes = await readBlob(blobs, model.state);
  return bytes.ok ? decodeState(bytes.value, model.state.digest as Digest) : bytes;
}

interface Trained {
  readonly device: string;
  readonly member: Member;
  readonly progress: Extract<Member['progress'], { kind: 'trained' }>;
}

/** In the order of devices' names, which no order of arrival changes; asynchronous, a buffer of those that came first. */
function trainedMembers({ members, asynchronous, plan }: RunState): readonly Trained[] {
  const trained: Trained[] = [];
  for (const [device, member] of members)
    if (member.progress.kind === 'trained')
      trained.push({ device, member, progress: member.progress });
  if (asynchronous) {
    trained.sort((a, b) => a.progress.op - b.progress.op);
    trained.splice(plan.clients.target);
  }
  return trained.sort((a, b) => (a.device < b.device ? -1 : 1));
}

async function readMember(
  blobs: Pick<BlobStore, 'read'>,
  { learn, round }: RunState,
  { device, member, progress }: Trained,
): Promise<Result<ClientUpdate>> {
  const { update, controlAt, examples, steps, completed, metrics } = progress;
  const bytes = await readBlob(blobs, update);
  if (!bytes.ok) return bytes;
  const read = readUpdate(bytes.value, learn, controlAt);
  if (!read.ok) return read;
  const staleness = round - member.round;
  return ok({ client: device, examples, steps, completed, metrics, staleness, ...read.value });
}

const bounded = <Value>(metrics: Readonly<Record<string, Value>>): Record<string, Value> =>
  Object.fromEntries(Object.entries(metrics).slice(0, metricsMax));
