// What a reply comes to, judged by itself alone: what a device claims is held to what it was asked, and its update is read
// once. What cannot be used is quarantined here, with its reason, so that it counts for nobody's minimum. [RND9]

import { err, type Failure, failure, ok, type Result } from '@skerry/shared';
import type { BlobRef } from '@skerry/sync-protocol/blobs';
import {
  cellName,
  cellsOf,
  type LearnPlan,
  type LearnReply,
  layoutSize,
} from '@skerry/sync-protocol/learn';
import { checkUpdate } from '../screen-update.ts';
import { judgeKeys, type MaskRoundPorts } from './mask-round.ts';
import { readBlob, runOwner } from './model-blobs.ts';
import { normMaxOf } from './norm-max.ts';
import type { BlobsOf } from './ports.ts';
import { readUpdate, updateBytesMaxOf } from './read-update.ts';
import type { Outcome } from './run-event.ts';
import type { RunState } from './run-state.ts';
import { strategyOf } from './strategy-of.ts';

export interface JudgePorts extends MaskRoundPorts {
  readonly blobsOf: BlobsOf;
}

/** What a device may say of its work: squares and sums of so much over any fleet are numbers still. */
export const metricMax = 1e9;

/** Fails where it may be tried again. */
export async function judgeReply(
  ports: JudgePorts,
  state: RunState,
  { device, body }: { readonly device: string; readonly body: LearnReply },
): Promise<Result<Outcome>> {
  const { result } = body;
  const unfit = unfitClaim(state.learn, result);
  if (unfit !== undefined) return ok({ kind: 'quarantined', reason: unfit, ...updateOf(result) });
  switch (result.type) {
    case 'secure':
      return ok(judgeKeys(ports, state, device, body));
    case 'trained':
      if (state.plan.masking !== undefined)
        return ok({ kind: 'quarantined', reason: 'an update that is not masked' });
      return judgeUpdate(ports, state, device, body.round, result);
    case 'evaluated': {
      const { examples, metrics } = result;
      return ok({ kind: 'evaluated', examples, metrics });
    }
    case 'queried':
      return ok(judgeAnswer(state, result));
    case 'declined':
      return ok({ kind: 'declined', reason: result.reason });
    case 'failed':
      return ok({ kind: 'failed', reason: `${result.code}: ${result.message}`.slice(0, 512) });
  }
}

/** A count for each cell, of each example one, and of no more examples than were asked for. [QRY2] */
function judgeAnswer(
  { query, plan }: RunState,
  { examples, values }: Extract<LearnReply['result'], { type: 'queried' }>,
): Outcome {
  const quarantined = (reason: string): Outcome => ({ kind: 'quarantined', reason });
  if (query === undefined) return quarantined('an answer, and nothing was asked');
  if (plan.masking !== undefined) return quarantined('an answer that is not masked');
  const cells = cellsOf(query.question);
  const counts = Array.from({ length: cells }, (_, cell) => values[cellName(cell)]);
  const isCount = (value: number | undefined): value is number =>
    value !== undefined && Number.isInteger(value) && value >= 0;
  if (!counts.every(isCount) || Object.keys(values).length !== cells)
    return quarantined(`an answer has ${cells} counts, and no more`);
  const sum = counts.reduce((total, count) => total + count, 0);
  if (sum !== examples || sum === 0 || sum > query.examplesMax)
    return quarantined(`${sum} counted of ${examples} examples; ${query.examplesMax} at most`);
  return { kind: 'queried', counts };
}

/** What of a device's own word cannot be so, or would spoil what is made of it. */
function unfitClaim(
  { examplesMax, epochs, batch }: LearnPlan,
  result: LearnReply['result'],
): string | undefined {
  if (result.type !== 'trained' && result.type !== 'evaluated') return undefined;
  const { examples, metrics } = result;
  if (examples > examplesMax) return `${examples} examples; the plan’s are ${examplesMax} at most`;
  const far = Object.entries(metrics).find(([, value]) => !(Math.abs(value) <= metricMax));
  if (far !== undefined) return `${far[0]} is ${far[1]}; ${metricMax} is the most`;
  if (result.type === 'evaluated') return undefined;
  if (examples === 0) return 'an update of no examples';
  const { steps } = result;
  // FedNova makes its step as long as the work that clients say they have done.
  const stepsMax = epochs * Math.ceil(examples / batch);
  return steps > stepsMax
    ? `${steps} steps; ${examples} examples make ${stepsMax} at most`
    : undefined;
}

const updateOf = (result: LearnReply['result']): { update?: string } =>
  result.type === 'trained' ? { update: result.update.digest } : {};

async function judgeUpdate(
  ports: JudgePorts,
  { plan, learn, round }: RunState,
  device: string,
  from: number,
  result: Extract<LearnReply['result'], { type: 'trained' }>,
): Promise<Result<Outcome>> {
  const { update, controlAt, examples, steps, completed, metrics } = result;
  const quarantined = (reason: string): Result<Outcome> =>
    ok({ kind: 'quarantined', reason: reason.slice(0, 512), update: update.digest });
  const bytesMax = updateBytesMaxOf(learn);
  if (update.bytes > bytesMax)
    return quarantined(`an update of ${update.bytes} bytes; the plan’s have ${bytesMax} at most`);
  // Before it is read: nobody evicts it between here and the aggregate.
  const referred = await ports.references.add(update.digest, runOwner(plan.id));
  if (!referred.ok) return referred;
  const bytes = await readOf(ports.blobsOf, device, update);
  if (!bytes.ok) return bytes.error.retryable ? bytes : quarantined(bytes.error.message);
  const read = readUpdate(bytes.value, learn, controlAt);
  if (!read.ok) return quarantined(read.error.message);
  const { delta } = read.value;
  const size = layoutSize(learn.layout);
  const checked = checkUpdate(delta, { size, normMax: normMaxOf(plan, size) });
  if (!checked.ok) return quarantined(checked.error.message);
  const strategy = strategyOf(plan, learn.layout);
  if (!strategy.ok) return strategy;
  const claims = { examples, steps, completed, metrics };
  // Later it would be left out, and have counted for a minimum that is not there.
  const why = strategy.value.whyLeftOut(
    { client: device, ...claims, staleness: round - from, ...read.value },
    size,
  );
  if (why !== undefined) return quarantined(`${plan.strategy.name} would leave it out: ${why}`);
  return ok({
    kind: 'trained',
    update,
    ...(controlAt === undefined ? {} : { controlAt }),
    ...claims,
    norm: checked.value.norm,
  });
}

async function readOf(
  blobsOf: BlobsOf,
  device: string,
  update: BlobRef,
): Promise<Result<Uint8Array>> {
  const blobs = blobsOf(device);
  const held = await blobs.holding(update.digest);
  if (!held.ok) return held;
  if (held.value.kind !== 'whole' || held.value.bytes !== update.bytes) return err(gone(update));
  return readBlob(blobs, update);
}

const gone = ({ digest, bytes }: BlobRef): Failure =>
  failure('not_found', `no update ${digest} of ${bytes} bytes`);
