// A masked round at the coordinator, from the keys that trained clients have shown to the mean of their updates. Where it
// stands is a small record and blobs that it names, so that it can be an event of a run's log: whoever reads it goes on, after
// a kill between any two steps too. The protocol is sync-protocol's; no update is ever here in the clear.
//
//   keys (with the replies to `train`) ─► shares ─► input ─► consistency ─► unmask ─► the sum

import { err, failure, nameSchema, ok, type Result } from '@skerry/shared';
import { type BlobRef, blobRefSchema } from '@skerry/sync-protocol/blobs';
import type { LearnReply, LearnTask } from '@skerry/sync-protocol/learn';
import { secureBytesMax } from '@skerry/sync-protocol/learn';
import {
  addMask,
  addMaskedInput,
  awaitedClients,
  type Cryptography,
  closeStage,
  createSum,
  decodeServerState,
  dequantiseSum,
  encodeServerState,
  openSecureRound,
  recoverMasks,
  type SecureAggregate,
  type SecurePlan,
  type SecureSession,
  type ServerAt,
  type ServerPorts,
  type ServerState,
  secureClientsMax,
  takeFromClient,
  wordsFor,
} from '@skerry/sync-protocol/secure-aggregation';
import { z } from 'zod';
import type { ClientUpdate } from '../strategies/index.ts';

/** Where it stands, durably. */
export const maskedStageSchema = z.strictObject({
  stage: z.enum(['shares', 'input', 'consistency', 'unmask']),
  /** With whoever has answered by then it goes on. */
  untilMs: z.int().nonnegative(),
  state: blobRefSchema,
  waiting: z.array(nameSchema).max(secureClientsMax),
  /** The masked vectors, as they came. */
  inputs: z
    .array(z.strictObject({ device: nameSchema, input: blobRefSchema }))
    .max(secureClientsMax),
});
export type MaskedStage = z.infer<typeof maskedStageSchema>;

export interface MaskedPorts extends ServerPorts {
  /** What is put stays as long as the record names it. */
  readonly blobs: {
    read(ref: BlobRef): Promise<Result<Uint8Array>>;
    put(bytes: Uint8Array): Promise<Result<BlobRef>>;
    /** As above, and devices may fetch it. */
    show(bytes: Uint8Array): Promise<Result<BlobRef>>;
  };
  /** A blob that this device has sent. */
  readonly readFrom: (device: string, ref: BlobRef) => Promise<Result<Uint8Array>>;
  readonly nowMs: () => number;
}

export interface MaskedReply {
  readonly device: string;
  readonly result: LearnReply['result'];
}

export interface Refused {
  readonly device: string;
  readonly reason: string;
}

export interface OpenedSum {
  readonly aggregate: SecureAggregate;
  /** Whose updates are in it. */
  readonly survivors: readonly string[];
  /** Who has revealed false shares. */
  readonly liars: readonly string[];
}

/** Whether a client’s reply to `train` is the keys that a masked round begins with. Fails as `takeFromClient` does. */
export function checkKeys(
  session: SecureSession,
  plan: SecurePlan,
  device: string,
  keys: Uint8Array,
  ports: ServerPorts,
): Result<void> {
  // Opened for as many as it takes: only this one's keys are looked at.
  const state: ServerState = { stage: 'keys', session, plan, invited: [device], members: [] };
  const taken = takeFromClient(state, device, keys, ports);
  return taken.ok ? ok(undefined) : taken;
}

/** `keys` by device: what each has shown. Fails with `unavailable` where they are too few. */
export async function openMaskedRound(
  ports: MaskedPorts,
  session: SecureSession,
  plan: SecurePlan,
  keys: ReadonlyMap<string, Uint8Array>,
  stageMs: number,
): Promise<Result<MaskedStage>> {
  if (keys.size < plan.thresholdMin)
    return err(
      failure('unavailable', `${keys.size} have trained, ${plan.thresholdMin} are needed`),
    );
  const opened = openSecureRound(session, plan, [...keys.keys()]);
  if (!opened.ok) return opened;
  let state = opened.value;
  for (const [device, shown] of keys) {
    // A certificate may have come to its end since the keys were shown.
    const taken = takeFromClient(state, device, shown, ports);
    if (taken.ok) state = taken.value;
  }
  const closed = closeStage(state);
  return closed.ok ? store(ports, closed.value, [], stageMs) : closed;
}

/** What each that is waited for is asked. What does not fit a task is a blob. */
export async function maskedWork(
  ports: MaskedPorts,
  { state: ref, waiting, stage }: MaskedStage,
): Promise<Result<ReadonlyMap<string, LearnTask['work']>>> {
  const state = await load(ports, ref);
  if (!state.ok) return state;
  const work = new Map<string, LearnTask['work']>();
  for (const device of waiting) {
    const words = wordsFor(state.value, device);
    if (words === undefined) continue;
    const payload = words.length <= secureBytesMax ? ok(words) : await ports.blobs.show(words);
    if (!payload.ok) return payload;
    work.set(device, { type: 'secure', stage, payload: payload.value });
  }
  return ok(work);
}

/**
 * Takes replies in. Who says that it cannot, and who says what the protocol refuses, is waited for no longer; of another
 * stage nothing is taken. The same record comes back where nothing has changed. Fails where it may be tried again.
 */
export async function takeMasked(
  ports: MaskedPorts,
  at: MaskedStage,
  replies: readonly MaskedReply[],
): Promise<Result<{ readonly next: MaskedStage; readonly refused: readonly Refused[] }>> {
  const loaded = await load(ports, at.state);
  if (!loaded.ok) return loaded;
  let state = loaded.value;
  const inputs = [...at.inputs];
  const gone = new Set<string>();
  const refused: Refused[] = [];
  for (const { device, result } of replies) {
    if (!at.waiting.includes(device)) continue;
    if (result.type === 'declined' || result.type === 'failed') gone.add(device);
    if (result.type !== 'secure' || result.stage !== at.stage) continue;
    const { payload } = result;
    const bytes =
      payload instanceof Uint8Array ? ok(payload) : await ports.readFrom(device, payload);
    if (!bytes.ok && bytes.error.retryable) return bytes;
    const taken = bytes.ok ? takeFromClient(state, device, bytes.value, ports) : bytes;
    if (!taken.ok) {
      refused.push({ device, reason: taken.error.message });
      gone.add(device);
      continue;
    }
    state = taken.value;
    if (at.stage !== 'input' || !bytes.ok) continue;
    const kept = await ports.blobs.put(bytes.value);
    if (!kept.ok) return kept;
    inputs.push({ device, input: kept.value });
  }
  if (state === loaded.value && gone.size === 0) return ok({ next: at, refused });
  const stored = await ports.blobs.put(encodeServerState(state));
  if (!stored.ok) return stored;
  const awaited = new Set(awaitedClients(state));
  const waiting = at.waiting.filter((device) => awaited.has(device) && !gone.has(device));
  return ok({ next: { ...at, state: stored.value, waiting, inputs }, refused });
}

/** Nobody is waited for, or no longer. */
export const isDue = ({ waiting, untilMs }: MaskedStage, nowMs: number): boolean =>
  waiting.length === 0 || nowMs >= untilMs;

/** The next stage. Fails with `unavailable` where too few have answered: the attempt is over. */
export async function closeMasked(
  ports: MaskedPorts,
  at: MaskedStage,
  stageMs: number,
): Promise<Result<MaskedStage>> {
  const state = await load(ports, at.state);
  if (!state.ok) return state;
  if (state.value.stage === 'unmask')
    return err(failure('internal', 'after the last stage there is the sum'));
  const closed = closeStage(state.value);
  return closed.ok ? store(ports, closed.value, at.inputs, stageMs) : closed;
}

/**
 * The sum, of a round whose shares have come. `inputs` are those whose masked vectors are there, and `read` gives the one at a
 * place. Fails with `unavailable` where the shares are too few.
 */
export async function openMaskedSum(
  round: Uint8Array,
  inputs: readonly string[],
  read: (place: number) => Promise<Result<Uint8Array>>,
  cryptography: Cryptography,
): Promise<Result<OpenedSum>> {
  const decoded = decodeServerState(round);
  if (!decoded.ok) return decoded;
  if (decoded.value.stage !== 'unmask')
    return err(failure('internal', `no sum after ${decoded.value.stage}`));
  const state = decoded.value as ServerAt<'unmask'>;
  const recovered = recoverMasks(state, cryptography);
  if (!recovered.ok) return recovered;
  const { masks, liars } = recovered.value;
  const { survivors, plan } = state;
  const sum = createSum(state);
  for (const device of survivors) {
    const place = inputs.indexOf(device);
    if (place < 0) return err(failure('not_found', `the masked vector of ${device} is not there`));
    const bytes = await read(place);
    const added = bytes.ok ? addMaskedInput(state, sum, bytes.value) : bytes;
    if (!added.ok) return added;
  }
  for (const { key, sign } of masks) addMask(sum, key, sign, cryptography);
  const aggregate = dequantiseSum(plan, sum, survivors.length);
  return aggregate.ok ? ok({ aggregate: aggregate.value, survivors, liars }) : aggregate;
}

/** One that stands for many: strategies that take sums make of it the model that all of them make. [AGG14] */
export const updateOf = ({ aggregate }: OpenedSum): ClientUpdate => ({
  client: 'masked-sum',
  examples: aggregate.examples,
  delta: Float32Array.from(aggregate.mean),
  metrics: {},
  completed: 1,
  steps: 1,
  staleness: 0,
});

async function store(
  { blobs, nowMs }: MaskedPorts,
  state: ServerState,
  inputs: MaskedStage['inputs'],
  stageMs: number,
): Promise<Result<MaskedStage>> {
  const stored = await blobs.put(encodeServerState(state));
  if (!stored.ok) return stored;
  const { stage } = state;
  if (stage === 'keys') return err(failure('internal', 'a masked round begins with keys'));
  const untilMs = nowMs() + stageMs;
  const waiting = [...awaitedClients(state)];
  return ok({ stage, untilMs, state: stored.value, waiting, inputs });
}

async function load({ blobs }: MaskedPorts, ref: BlobRef): Promise<Result<ServerState>> {
  const bytes = await blobs.read(ref);
  return bytes.ok ? decodeServerState(bytes.value) : bytes;
}
