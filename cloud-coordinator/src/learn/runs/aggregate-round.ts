// The updates of a round, put together: from the log's names to the next model. The same log gives the same bytes, however
// often it is tried and by whom. [RND8]

import { type Digest, ok, type Result } from '@skerry/shared';
import type { BlobStore } from '@skerry/sync-protocol/blobs';
import {
  type ClientUpdate,
  createStrategy,
  decodeState,
  type EvaluateResult,
  type StrategyState,
} from '../strategies/index.ts';
import { type ModelBlobsPorts, readBlob, storeModel } from './model-blobs.ts';
import { readUpdate } from './read-update.ts';
import type { Contribution, RunEvent, RunEventOf } from './run-event.ts';
import { isActive, type Member, type RunState } from './run-state.ts';

/** Of the metrics that clients say; those of an event are bounded. */
const metricsMax = 128;

/**
 * `aggregated`; or `closed`, where the strategy refuses what has come. Fails as the blobs do, and then it may be tried
 * again.
 */
export async function aggregateRound(
  ports: ModelBlobsPorts,
  state: RunState,
  nowMs: () => number,
): Promise<Result<RunEvent>> {
  const strategy = createStrategy(state.plan.strategy);
  const before = await readState(ports.blobs, state);
  if (!before.ok) return before;
  const trained = trainedMembers(state);
  const updates: ClientUpdate[] = [];
  for (const each of trained) {
    const update = await readMember(ports.blobs, state, each);
    if (!update.ok) return update;
    updates.push(update.value);
  }
  const aggregated = strategy.aggregateTrain(before.value, updates);
  if (!aggregated.ok)
    return ok({ kind: 'closed', atMs: nowMs(), reason: aggregated.error.message.slice(0, 512) });
  const { state: after, report } = aggregated.value;
  const model = await storeModel(ports, state.plan.id, strategy, after);
  if (!model.ok) return model;
  const shares = new Map(report.clients.map((share) => [share.client, share]));
  const contributions = trained.map(({ device, member, progress }): Contribution => {
    const { used = false, weight, score, reason } = shares.get(device) ?? {};
    return {
      device,
      round: member.round,
      attempt: member.attempt,
      update: progress.update.digest,
      examples: progress.examples,
      used,
      ...(weight === undefined ? {} : { weight }),
      ...(score === undefined ? {} : { score }),
      ...(reason === undefined ? {} : { reason }),
    };
  });
  const { changed, deltaNorm, stepNorm } = report;
  return ok({
    kind: 'aggregated',
    atMs: nowMs(),
    round: state.round,
    attempt: isActive(state.phase) ? state.phase.attempt : 1,
    model: model.value,
    changed,
    contributions,
    deltaNorm,
    stepNorm,
    metrics: bounded(report.metrics),
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
  return {
    kind: 'evaluated',
    atMs,
    round: state.round,
    ...(report.clients === 0
      ? {}
      : { federated: { ...group, cohorts: { ...cohorts }, fairness: { ...fairness } } }),
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

/** In the order of devices' names, which no order of arrival changes. */
function trainedMembers({ members }: RunState): readonly Trained[] {
  const trained: Trained[] = [];
  for (const [device, member] of members)
    if (member.progress.kind === 'trained')
      trained.push({ device, member, progress: member.progress });
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

const bounded = (metrics: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(metrics).slice(0, metricsMax));
