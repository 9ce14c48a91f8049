// A masked round of a run: between training and the next model devices answer four questions more, and the log says at each
// which one it is. The sum is all that comes of their updates; whose they were is in the log, how much each weighed is not.

import { assert, defined, err, type FailureCode, failure, ok, type Result } from '@skerry/shared';
import type { OpenOp } from '@skerry/sync-protocol';
import { audiences } from '@skerry/sync-protocol/blobs';
import type { LearnReply, LearnTask } from '@skerry/sync-protocol/learn';
import {
  encodeSecurePlan,
  type SecureSession,
  type ServerPorts,
} from '@skerry/sync-protocol/secure-aggregation';
import {
  checkKeys,
  closeMasked,
  type MaskedPorts,
  type MaskedStage,
  maskedWork,
  openMaskedRound,
  takeMasked,
} from '../masking/index.ts';
import { decideCommitment, decideRelease, noiseOfSum } from '../privacy/index.ts';
import { type ModelBlobsPorts, readBlob, runOwner, storeFor, storeModel } from './model-blobs.ts';
import type { BlobsOf } from './ports.ts';
import type { RoundNumbers } from './round-numbers.ts';
import type { Contribution, Outcome, RunEvent, RunEventOf } from './run-event.ts';
import type { RunState } from './run-state.ts';
import { securePlanFor } from './secure-plan-for.ts';
import { tallyMasked } from './tally-round.ts';

export interface MaskRoundPorts extends ModelBlobsPorts {
  /** What masking needs beside blobs. Absent: masked runs are refused. */
  readonly masking?: ServerPorts;
  readonly numbers: RoundNumbers;
  readonly blobsOf: BlobsOf;
  readonly clock: { nowMs(): number };
}

/** What goes out with the task to train. */
export function securePart({ plan, learn }: RunState): { readonly secure?: Uint8Array } {
  const secure = securePlanFor(plan, learn);
  return secure.ok && secure.value !== undefined ? { secure: encodeSecurePlan(secure.value) } : {};
}

/** Of a device that has trained: the keys that it shows. */
export function judgeKeys(
  { masking }: Pick<MaskRoundPorts, 'masking'>,
  state: RunState,
  device: string,
  { round, attempt, result }: LearnReply,
): Outcome {
  const plan = securePlanFor(state.plan, state.learn);
  const quarantined = (reason: string): Outcome => ({ kind: 'quarantined', reason });
  if (masking === undefined || !plan.ok || plan.value === undefined)
    return quarantined('keys, in a round that is not masked');
  if (
    result.type !== 'secure' ||
    result.stage !== 'keys' ||
    !(result.payload instanceof Uint8Array)
  )
    return quarantined('expected keys');
  const session = { run: state.plan.id, round, attempt };
  const checked = checkKeys(session, plan.value, device, result.payload, masking);
  return checked.ok
    ? { kind: 'keyed', keys: Buffer.from(result.payload).toString('base64') }
    : quarantined(checked.error.message.slice(0, 512));
}

/** Where a masked round stands, if the run is in one. */
export const maskedOf = ({ phase }: RunState): MaskedStage | undefined =>
  phase.kind === 'aggregating' ? phase.masked : undefined;

type ReplyOp = OpenOp & { readonly body: LearnReply };

/** The replies to the question that is open. `undefined`: they change nothing. Fails where it may be tried again. */
export async function takeMaskedReplies(
  ports: MaskRoundPorts,
  state: RunState,
  ops: readonly ReplyOp[],
): Promise<Result<RunEventOf<'masked'> | undefined>> {
  const record = maskedOf(state);
  const masked = maskedPortsOf(ports, state);
  if (record === undefined || masked === undefined) return ok(undefined);
  const session = sessionOf(state);
  const replies = ops
    .filter(({ body }) => body.round === session.round && body.attempt === session.attempt)
    .map(({ device, body }) => ({ device, result: body.result }));
  if (replies.length === 0) return ok(undefined);
  const taken = await takeMasked(masked, record, replies);
  if (!taken.ok) return taken;
  return ok(taken.value.next === record ? undefined : maskedEvent(ports, state, taken.value.next));
}

/** What each device that is waited for is asked. */
export async function maskedQuestions(
  ports: MaskRoundPorts,
  state: RunState,
): Promise<Result<ReadonlyMap<string, LearnTask['work']>>> {
  const record = maskedOf(state);
  const masked = maskedPortsOf(ports, state);
  return record === undefined || masked === undefined ? ok(new Map()) : maskedWork(masked, record);
}

/**
 * The next question, or the next model; `closed`, where too few are left for either. Fails as the blobs do, and then it may
 * be tried again.
 */
export async function maskRound(
  ports: MaskRoundPorts,
  state: RunState,
): Promise<Result<readonly RunEvent[]>> {
  const record = maskedOf(state);
  const masked = maskedPortsOf(ports, state);
  const plan = securePlanFor(state.plan, state.learn);
  const stageMs = state.plan.masking?.stageMs ?? 0;
  if (masked === undefined || !plan.ok || plan.value === undefined)
    return ok([closed(ports, 'nothing is masked here')]);
  if (record?.stage === 'unmask') return openRound(ports, state, record);
  const next =
    record === undefined
      ? await openMaskedRound(masked, sessionOf(state), plan.value, keysOf(state), stageMs)
      : await closeMasked(masked, record, stageMs);
  if (!next.ok) {
    const { code, message } = next.error;
    return code === 'storage_failed' ? next : ok([closed(ports, message)]);
  }
  const event = maskedEvent(ports, state, next.value);
  return ok(next.value.stage === 'unmask' ? paidFor(state, event) : [event]);
}

/**
 * Devices have noised what they have masked, and who answers the last question opens the sum: what that costs is in the log
 * with the question, or the question is not asked. [PRV18]
 */
function paidFor(state: RunState, event: RunEventOf<'masked'>): readonly RunEvent[] {
  const { privacy } = state;
  if (privacy === undefined) return [event];
  const { round, attempt, atMs } = event;
  const { ledger, mechanism, clip } = privacy;
  const decided = decideCommitment(ledger, { round, attempt, atMs, mechanism, clip });
  return decided.ok
    ? [decided.value, event]
    : [{ kind: 'spent', atMs, reason: decided.error.message }];
}

/** What has come to nothing here, and not for what devices have sent: it is tried again, as long as the round has time. */
const hereCodes: ReadonlySet<FailureCode> = new Set([
  'storage_failed',
  'internal',
  'overloaded',
  'deadline_exceeded',
]);

async function openRound(
  ports: MaskRoundPorts,
  state: RunState,
  { state: round, inputs }: MaskedStage,
): Promise<Result<readonly RunEvent[]>> {
  const { plan, learn, model } = state;
  const [encoded, before] = [
    await readBlob(ports.blobs, round),
    await readBlob(ports.blobs, model.state),
  ];
  if (!encoded.ok) return encoded;
  if (!before.ok) return before;
  const done = await ports.numbers.unmask(
    {
      kind: 'unmask',
      plan,
      learn,
      state: before.value,
      stateDigest: model.state.digest,
      round: encoded.value,
      inputs: inputs.map(({ device }) => device),
    },
    (place) => readBlob(ports.blobs, defined(inputs[place], 'a vector that has come').input),
  );
  if (!done.ok) {
    const { code, message } = done.error;
    return hereCodes.has(code) ? done : ok([closed(ports, message)]);
  }
  const { survivors, liars, made } = done.value;
  if (!made.ok) return ok([closed(ports, made.error.message)]);
  if ('totals' in made.value) {
    const { length } = survivors;
    const { noiseSigma } = noiseIn(state, length);
    // σ is of a mean.
    const sigma = noiseSigma === undefined ? undefined : noiseSigma * length;
    return release(
      state,
      tallyMasked(state, made.value.totals, length, sigma, ports.clock.nowMs()),
    );
  }
  const stored = await storeModel(ports, plan.id, made.value.model);
  if (!stored.ok) return stored;
  const came = new Map(inputs.map(({ device, input }) => [device, input.digest]));
  const { round: at, attempt } = sessionOf(state);
  const place = { round: at, attempt };
  const contributions = survivors.map((device): Contribution => {
    const update = came.get(device);
    assert(update !== undefined, 'a survivor’s vector has come');
    // What it weighed and of how many examples it is nobody knows.
    const reason = liars.includes(device) ? 'masked, and its shares were false' : 'masked';
    return { device, ...place, update, examples: 0, used: true, reason };
  });
  const { changed, deltaNorm, stepNorm } = made.value.report;
  const atMs = ports.clock.nowMs();
  const aggregated: RunEventOf<'aggregated'> = {
    kind: 'aggregated',
    atMs,
    ...place,
    model: stored.value,
    changed,
    contributions,
    deltaNorm,
    stepNorm,
    metrics: {},
    ...noiseIn(state, survivors.length),
  };
  return release(state, aggregated);
}

/** What has come of a sum is out when it is in the log, and with it that it is. */
function release(
  state: RunState,
  event: RunEventOf<'aggregated' | 'tallied'>,
): Result<readonly RunEvent[]> {
  if (state.privacy === undefined) return ok([event]);
  const { round, attempt } = sessionOf(state);
  const released = decideRelease(state.privacy.ledger, { round, attempt, atMs: event.atMs });
  return released.ok ? ok([released.value, event]) : released;
}

/** Of the model: more than was counted, where more than the fewest are in it. */
function noiseIn(
  { plan, learn, privacy }: RunState,
  clients: number,
): Pick<RunEventOf<'aggregated'>, 'clip' | 'noiseSigma' | 'noiseMultiplier'> {
  const secure = securePlanFor(plan, learn);
  if (privacy === undefined || !secure.ok || secure.value?.encoding.kind !== 'noised') return {};
  const { encoding, values } = secure.value;
  return { clip: privacy.clip, ...noiseOfSum(encoding, clients, values) };
}

function keysOf({ members }: RunState): ReadonlyMap<string, Uint8Array> {
  const keys = new Map<string, Uint8Array>();
  for (const [device, { progress }] of members)
    if (progress.kind === 'keyed')
      keys.set(device, new Uint8Array(Buffer.from(progress.keys, 'base64')));
  return keys;
}

function maskedPortsOf(ports: MaskRoundPorts, { plan }: RunState): MaskedPorts | undefined {
  const { masking, blobs, blobsOf, clock } = ports;
  if (masking === undefined) return undefined;
  return {
    ...masking,
    nowMs: clock.nowMs,
    blobs: {
      read: (ref) => readBlob(blobs, ref),
      put: (bytes) => storeFor(ports, runOwner(plan.id), bytes),
      show: (bytes) => storeFor(ports, audiences.learn, bytes),
    },
    async readFrom(device, ref) {
      const referred = await ports.references.add(ref.digest, runOwner(plan.id));
      if (!referred.ok) return referred;
      const held = await blobsOf(device).holding(ref.digest);
      if (!held.ok) return held;
      return held.value.kind === 'whole' && held.value.bytes === ref.bytes
        ? readBlob(blobsOf(device), ref)
        : err(failure('not_found', `no vector ${ref.digest}`));
    },
  };
}

const sessionOf = ({ plan, phase }: RunState): SecureSession => {
  assert(phase.kind === 'aggregating', 'a masked round is put together');
  return { run: plan.id, round: phase.round, attempt: phase.attempt };
};

function maskedEvent(
  { clock }: MaskRoundPorts,
  state: RunState,
  record: MaskedStage,
): RunEventOf<'masked'> {
  const { round, attempt } = sessionOf(state);
  return { kind: 'masked', atMs: clock.nowMs(), round, attempt, record };
}

const closed = ({ clock }: MaskRoundPorts, reason: string): RunEvent => ({
  kind: 'closed',
  atMs: clock.nowMs(),
  reason: reason.slice(0, 512),
});
