// The updates of a round, put together: from the log's names to the next model. The same log gives the same bytes, however
// often it is tried and by whom. [RND8]

import { defined, ok, type Result } from '@skerry/shared';
import { keystreamKeyBytes } from '@skerry/shared/node';
import type { RandomBytes } from '@skerry/shared/privacy';
import { decideCommitment, decideRelease, openNoiseKey } from '../privacy/index.ts';
import type { Screening } from '../screen-update.ts';
import { createStrategy, type EvaluateResult } from '../strategies/index.ts';
import { type ModelBlobsPorts, readBlob, runOwner, storeFor, storeModel } from './model-blobs.ts';
import type { AggregateWork, RoundNumbers } from './round-numbers.ts';
import type { Contribution, RunEvent, RunEventOf } from './run-event.ts';
import { isOfRound, type Member, type RunState } from './run-state.ts';

/** Of the metrics that clients say; those of an event are bounded. */
const metricsMax = 128;

export interface AggregatePorts extends ModelBlobsPorts {
  readonly numbers: RoundNumbers;
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
  const trained = trainedMembers(state);
  const work = await workOf(ports, state, trained);
  if (!work.ok) return work;
  const done = await ports.numbers.aggregate(work.value, (place) =>
    readBlob(ports.blobs, defined(trained[place], 'a client that has trained').progress.update),
  );
  if (!done.ok) return done;
  const { screened, made } = done.value;
  if (!made.ok && state.asynchronous)
    return ok([dropped(state, trained, screened, made.error.message, nowMs())]);
  if (!made.ok)
    return ok([{ kind: 'closed', atMs: nowMs(), reason: made.error.message.slice(0, 512) }]);
  const { report, clip, noiseSigma } = made.value;
  const model = await storeModel(ports, state.plan.id, made.value.model);
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
  if (privacy === undefined) return ok(undefined);
  const { ledger, clip, mechanism } = privacy;
  const { round, attempt } = placeOf(state);
  if (ledger.last?.round === round && ledger.last.attempt === attempt) return ok(undefined);
  const key = new Uint8Array(keystreamKeyBytes);
  ports.chance.fill(key);
  const noiseKey = await storeFor(ports, runOwner(plan.id), key);
  if (!noiseKey.ok) return noiseKey;
  const commitment = { round, attempt, atMs, mechanism, clip, noiseKey: noiseKey.value };
  const decided = decideCommitment(ledger, commitment);
  return ok(decided.ok ? decided.value : { kind: 'spent', atMs, reason: decided.error.message });
}

/** Of the round that is committed. A log of before there were keys has none, and draws anew. */
async function privacyOf(
  { blobs, chance }: AggregatePorts,
  { privacy }: RunState,
): Promise<Result<AggregateWork['privacy']>> {
  if (privacy === undefined) return ok(undefined);
  const { clip, ledger } = privacy;
  const ref = openNoiseKey(ledger);
  if (ref !== undefined) {
    const key = await readBlob(blobs, ref);
    return key.ok ? ok({ clip, noiseKey: key.value }) : key;
  }
  const noiseKey = new Uint8Array(keystreamKeyBytes);
  chance.fill(noiseKey);
  return ok({ clip, noiseKey });
}

async function workOf(
  ports: AggregatePorts,
  state: RunState,
  trained: readonly Trained[],
): Promise<Result<AggregateWork>> {
  const { plan, learn, model, round } = state;
  const before = await readBlob(ports.blobs, model.state);
  if (!before.ok) return before;
  const privacy = await privacyOf(ports, state);
  if (!privacy.ok) return privacy;
  return ok({
    kind: 'aggregate',
    plan,
    learn,
    state: before.value,
    stateDigest: model.state.digest,
    updates: trained.map(({ device, member, progress }) => {
      const { controlAt, examples, steps, completed, metrics } = progress;
      const staleness = round - member.round;
      const claims = { examples, steps, completed, metrics, staleness };
      return { client: device, ...claims, ...(controlAt === undefined ? {} : { controlAt }) };
    }),
    ...(privacy.value && { privacy: privacy.value }),
  });
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

const bounded = <Value>(metrics: Readonly<Record<string, Value>>): Record<string, Value> =>
  Object.fromEntries(Object.entries(metrics).slice(0, metricsMax));
