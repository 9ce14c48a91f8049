// The device's end of blobs in chunks, where only MQTT passes: rounds of at most `window` chunks, each asked for or
// offered anew from what is still missing, so that nothing that the pipe does to a message matters for longer than a
// round. It shares a connection with the Exchange, so a round asks for what comes in about `roundAimMs`: that much, and
// never less than a chunk, may stand before a Reply.

import { type Clock, err, failure, type Log, ok, type Result, sleep } from '@skerry/shared';
import type { DeviceTransport } from '../ports.ts';
import { allMissing, missingChunks, missingCount } from './bitmap.ts';
import { type BlobRef, chunkBytes, chunkCount, chunkSpan } from './blob.ts';
import {
  type BlobMessage,
  type BlobMessageOf,
  blobVersion,
  chunksInFlightMax,
  decodeBlobMessage,
  encodeBlobMessage,
  failureOf,
} from './blob-messages.ts';
import type { BlobStore } from './blob-store.ts';
import type { BlobWire } from './blob-wire.ts';
import type { Pacer } from './pacer.ts';

export type ChunkPipe = Pick<DeviceTransport, 'connected' | 'send' | 'onMessage'>;

export interface ChunkWirePorts {
  readonly pipe: ChunkPipe;
  readonly store: BlobStore;
  readonly pacer: Pacer;
  readonly clock: Clock;
  readonly sha256: (bytes: Uint8Array) => string;
  readonly log: Log;
}

/** A round ends when nothing has come for so long: a chunk takes 10 s at 50 kbit/s. */
const quietMs = 15_000;
const connectMs = 15_000;
/** Rounds in a row that gained nothing, before the transfer backs off. */
const idleRoundsMax = 3;
const windowStart = 2;
const roundAimMs = 1_000;

export function createChunkWire(ports: ChunkWirePorts): BlobWire {
  const { store, pacer, clock, sha256, log } = ports;
  const openLine = createLines(ports);

  const fetchOver = async (
    line: Line,
    ref: BlobRef,
    onMoved: (bytes: number) => void,
    signal: AbortSignal,
  ): Promise<Result<void>> => {
    const rounds = createRounds();
    while (!rounds.idle() && !signal.aborted) {
      const missing = await missingOf(store, ref);
      if (!missing.ok) return missing;
      const asked = new Set(missingChunks(missing.value, rounds.window()));
      if (asked.size === 0) return store.finish(ref.digest);
      await pacer.take(asked.size * chunkBytes, signal);
      const sent = await line.send({
        ...headerOf(ref),
        type: 'want',
        missing: missing.value,
        chunksMax: asked.size,
      });
      if (!sent.ok) return sent;
      const wanted = asked.size;
      const askedMs = clock.monotonicMs();
      while (asked.size > 0) {
        const message = await line.next();
        if (message === undefined) break;
        if (message.type === 'refusal') return err(failureOf(message));
        if (message.type !== 'chunk' || message.bytes !== ref.bytes) continue;
        const stored = await storeChunk(store, sha256, message);
        if (stored.ok && asked.delete(message.index)) onMoved(message.data.length);
        // A damaged chunk is asked for again; a disk that refuses is not asked again.
        else if (!stored.ok && stored.error.code !== 'digest_mismatch') return stored;
      }
      rounds.ended(wanted - asked.size, wanted, clock.monotonicMs() - askedMs);
    }
    return err(rounds.failure('chunk'));
  };

  const sendOver = async (
    line: Line,
    ref: BlobRef,
    onMoved: (bytes: number) => void,
    signal: AbortSignal,
  ): Promise<Result<void>> => {
    const rounds = createRounds();
    let leftBefore: number | undefined;
    let offered = 0;
    let round = Math.floor(clock.monotonicMs()); // Above those of an earlier try.
    while (!rounds.idle() && !signal.aborted) {
      round += 1;
      const asked = await line.send({ ...headerOf(ref), type: 'offer', round });
      if (!asked.ok) return asked;
      const holding = await nextHolding(line, ref, round);
      if (!holding.ok) return holding;
      if (holding.value === undefined) {
        rounds.ended(0, offered);
        continue;
      }
      const left = missingCount(holding.value);
      if (leftBefore !== undefined) {
        const gained = Math.max(0, leftBefore - left);
        if (gained > 0) onMoved(gained * chunkBytes);
        rounds.ended(gained, offered);
      }
      if (left === 0) return ok(undefined);
      leftBefore = left;
      const indexes = missingChunks(holding.value, rounds.window());
      offered = indexes.length;
      for (const index of indexes) {
        await pacer.take(chunkBytes, signal);
        const sent = await sendChunk(store, sha256, line.send, ref, index);
        if (!sent.ok) return sent;
      }
    }
    return err(rounds.failure('progress'));
  };

  const over =
    (move: typeof fetchOver): BlobWire['fetch'] =>
    async (ref, onMoved, signal) => {
      const line = await openLine(ref.digest, signal);
      if (!line.ok) return line;
      try {
        return await move(line.value, ref, onMoved, signal);
      } finally {
        line.value.close();
        log.debug({ digest: ref.digest }, 'chunks: the line is closed');
      }
    };
  return { name: 'chunks', fetch: over(fetchOver), send: over(sendOver) };
}

export const headerOf = ({ digest, bytes }: BlobRef) => ({ v: blobVersion, digest, bytes });

export async function sendChunk(
  store: Pick<BlobStore, 'read'>,
  sha256: (bytes: Uint8Array) => string,
  send: (message: BlobMessage) => Promise<Result<void>>,
  ref: BlobRef,
  index: number,
): Promise<Result<void>> {
  const span = chunkSpan(ref.bytes, index);
  if (span === undefined) return err(failure('invalid_argument', `no chunk ${index}`));
  const data = await store.read(ref.digest, span.offset, span.length);
  if (!data.ok) return data;
  return send({
    ...headerOf(ref),
    type: 'chunk',
    index,
    sha256: sha256(data.value),
    data: data.value,
  });
}

/** Fails with `digest_mismatch` for a chunk that is not what it says. */
export async function storeChunk(
  store: Pick<BlobStore, 'write'>,
  sha256: (bytes: Uint8Array) => string,
  { digest, bytes, index, data, sha256: expected }: BlobMessageOf<'chunk'>,
): Promise<Result<void>> {
  if (sha256(data) !== expected)
    return err(failure('digest_mismatch', `chunk ${index} was damaged on its way`));
  return store.write({ digest, bytes }, index, data);
}

async function missingOf(store: BlobStore, ref: BlobRef): Promise<Result<Uint8Array>> {
  const held = await store.holding(ref.digest);
  if (!held.ok) return held;
  const chunks = chunkCount(ref.bytes);
  switch (held.value.kind) {
    case 'none':
      return ok(allMissing(chunks));
    case 'whole':
      return ok(new Uint8Array(Math.ceil(chunks / 8)));
    case 'partial':
      return held.value.bytes === ref.bytes
        ? ok(held.value.missing)
        : err(failure('invalid_argument', `held with ${held.value.bytes} bytes`));
  }
}

/** The bitmap of what the coordinator misses; `undefined` when no answer came in time. */
async function nextHolding(
  line: Line,
  ref: BlobRef,
  round: number,
): Promise<Result<Uint8Array | undefined>> {
  for (;;) {
    const message = await line.next();
    if (message === undefined) return ok(undefined);
    if (message.type === 'refusal') return err(failureOf(message));
    const isAnswer = message.type === 'holding' && message.round === round;
    if (isAnswer && message.bytes === ref.bytes) return ok(message.missing);
  }
}

/** How many chunks a round may have, and whether it is time to give up: doubles on a full round, halves on a bad or long one. */
function createRounds() {
  let window = windowStart;
  let idle = 0;
  return {
    window: () => window,
    idle: () => idle >= idleRoundsMax,
    ended(gained: number, asked: number, tookMs = 0) {
      idle = gained > 0 ? 0 : idle + 1;
      if (gained < asked || tookMs > roundAimMs) window = Math.max(1, Math.floor(window / 2));
      else if (tookMs < roundAimMs / 2) window = Math.min(chunksInFlightMax, window * 2);
    },
    failure: (what: string) =>
      failure('deadline_exceeded', `no ${what} in ${idleRoundsMax} rounds over MQTT`),
  };
}

/** One blob's share of the pipe. */
interface Line {
  send(message: BlobMessage): Promise<Result<void>>;
  /** The next message about this blob; `undefined` when none came for `quietMs`, or the transfer was called off. */
  next(): Promise<BlobMessage | undefined>;
  close(): void;
}

/** More than two full rounds: what comes beyond is asked for again. */
const inboxMax = 2 * chunksInFlightMax;

function createLines({ pipe, clock, log }: ChunkWirePorts) {
  const inboxes = new Map<string, (message: BlobMessage) => void>();

  pipe.onMessage((bytes) => {
    const message = decodeBlobMessage(bytes);
    if (!message.ok) log.warn({ code: message.error.code }, `blob: ${message.error.message}`);
    else inboxes.get(message.value.digest)?.(message.value);
  });

  return async (digest: string, signal: AbortSignal): Promise<Result<Line>> => {
    const queue: BlobMessage[] = [];
    let wake = (): void => {};
    inboxes.set(digest, (message) => {
      if (queue.length < inboxMax) queue.push(message);
      wake();
    });
    const close = (): void => void inboxes.delete(digest);
    if (!(await isConnected(pipe, clock, signal))) {
      close();
      return err(failure('unavailable', `no MQTT connection in ${connectMs} ms`));
    }
    return ok({
      async send(message) {
        const bytes = encodeBlobMessage(message);
        return bytes.ok ? pipe.send(bytes.value) : bytes;
      },
      async next() {
        if (queue.length === 0 && !signal.aborted) {
          const came = new AbortController();
          wake = () => came.abort();
          await sleep(clock, quietMs, AbortSignal.any([came.signal, signal]));
          wake = () => {};
        }
        return signal.aborted ? undefined : queue.shift();
      },
      close,
    });
  };
}

const connectPollMs = 50;

async function isConnected(pipe: ChunkPipe, clock: Clock, signal: AbortSignal): Promise<boolean> {
  const untilMs = clock.monotonicMs() + connectMs;
  while (!pipe.connected() && !signal.aborted && clock.monotonicMs() < untilMs)
    await sleep(clock, connectPollMs, signal);
  return pipe.connected();
}
