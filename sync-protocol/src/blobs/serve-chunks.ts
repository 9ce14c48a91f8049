// The coordinator's end of blobs in chunks: answers each message from its store alone, so any coordinator over the same
// store can answer the next one. A device's messages are taken one after the other, for an `offer` asks about the
// chunks before it.

import {
  err,
  type Failure,
  type FailureCode,
  failure,
  type Log,
  ok,
  type Result,
} from '@skerry/shared';
import { allMissing, missingChunks } from './bitmap.ts';
import { chunkCount } from './blob.ts';
import {
  type BlobMessage,
  type BlobMessageOf,
  chunksInFlightMax,
  decodeBlobMessage,
  encodeBlobMessage,
  refusalOf,
} from './blob-messages.ts';
import { headerOf, sendChunk, storeChunk } from './chunk-wire.ts';
import type { DeviceBlobStore } from './device-blobs.ts';

export interface ChunkServerPorts {
  /** What a device sees. */
  readonly storeOf: (device: string) => DeviceBlobStore;
  readonly sha256: (bytes: Uint8Array) => string;
  readonly send: (device: string, message: Uint8Array) => Promise<Result<void>>;
  readonly log: Log;
  /** A message was not taken; the device sends it again. */
  readonly onDropped?: (code: FailureCode) => void;
}

export interface ChunkServerConfig {
  /** Of one blob. */
  readonly bytesMax: number;
  /** Devices whose messages are worked on at once. */
  readonly devicesMax: number;
}

/** Of one device, waiting: a full round and what may follow it. */
export const queuedMessagesMax = 2 * chunksInFlightMax;
const retryAfterMs = 5_000;

export function createChunkServer(
  { storeOf, sha256, send, log, onDropped = () => {} }: ChunkServerPorts,
  { bytesMax, devicesMax }: ChunkServerConfig,
): { handle(device: string, bytes: Uint8Array): void } {
  const queues = new Map<string, Uint8Array[]>();

  const say = async (device: string, message: BlobMessage): Promise<Result<void>> => {
    const bytes = encodeBlobMessage(message);
    return bytes.ok ? send(device, bytes.value) : bytes;
  };

  const drop = (device: string, { code, message }: Failure): void => {
    onDropped(code);
    log.warn({ device, code }, `blob: ${message}`);
  };

  const work = async (device: string, queue: Uint8Array[]): Promise<void> => {
    for (let bytes = queue[0]; bytes !== undefined; bytes = queue[0]) {
      const message = decodeBlobMessage(bytes);
      if (message.ok) await answer(device, message.value);
      else drop(device, message.error);
      queue.shift(); // After the work, so that it counts as waiting until then.
    }
    queues.delete(device);
  };

  const answer = async (device: string, message: BlobMessage): Promise<void> => {
    const done = await respond(device, message);
    if (done.ok) return;
    drop(device, done.error);
    // What was damaged on its way is asked for again; all else the device should know.
    if (message.type === 'chunk' && done.error.code === 'digest_mismatch') return;
    if (done.error.code !== 'unavailable') await say(device, refusalOf(message.digest, done.error));
  };

  const respond = async (device: string, message: BlobMessage): Promise<Result<void>> => {
    switch (message.type) {
      case 'want':
        return serve(device, message);
      case 'offer':
        return tell(device, message);
      case 'chunk':
        return message.bytes > bytesMax
          ? tooLarge(message)
          : storeChunk(storeOf(device), sha256, message);
      case 'holding':
      case 'refusal':
        return err(failure('malformed_message', `a ${message.type}, from a device`));
    }
  };

  const serve = async (device: string, want: BlobMessageOf<'want'>): Promise<Result<void>> => {
    const store = storeOf(device);
    const held = await store.holding(want.digest);
    if (!held.ok) return held;
    if (held.value.kind !== 'whole' || held.value.bytes !== want.bytes)
      return err(failure('not_found', `no whole blob of that digest and ${want.bytes} bytes`));
    for (const index of missingChunks(want.missing, want.chunksMax)) {
      const sent = await sendChunk(store, sha256, (m) => say(device, m), want, index);
      if (!sent.ok) return sent;
    }
    return ok(undefined);
  };

  const tell = async (device: string, offer: BlobMessageOf<'offer'>): Promise<Result<void>> => {
    if (offer.bytes > bytesMax) return tooLarge(offer);
    const store = storeOf(device);
    const held = await store.holding(offer.digest);
    if (!held.ok) return held;
    if (held.value.kind !== 'none' && held.value.bytes !== offer.bytes)
      return err(failure('invalid_argument', `held with ${held.value.bytes} bytes`));
    const all = allMissing(chunkCount(offer.bytes));
    const missing =
      held.value.kind === 'none'
        ? all
        : held.value.kind === 'partial'
          ? held.value.missing
          : all.fill(0);
    if (held.value.kind === 'partial' && missingChunks(missing, 1).length === 0) {
      const finished = await store.finish(offer.digest);
      if (!finished.ok) return finished;
    }
    return say(device, { ...headerOf(offer), type: 'holding', round: offer.round, missing });
  };

  const tooLarge = ({ bytes }: { readonly bytes: number }): Result<void> =>
    err(failure('too_large', `${bytes} bytes, at most ${bytesMax}`));

  return {
    handle(device, bytes) {
      const queue = queues.get(device);
      if (queue !== undefined) {
        if (queue.length < queuedMessagesMax) queue.push(bytes);
        else onDropped('overloaded');
      } else if (queues.size < devicesMax) {
        const started = [bytes];
        queues.set(device, started);
        void work(device, started);
      } else turnAway(device, bytes);
    },
  };

  function turnAway(device: string, bytes: Uint8Array): void {
    onDropped('overloaded');
    const message = decodeBlobMessage(bytes);
    if (!message.ok || message.value.type === 'chunk') return;
    const busy = failure('overloaded', `${devicesMax} devices are moving blobs`, { retryAfterMs });
    void say(device, refusalOf(message.value.digest, busy));
  }
}
