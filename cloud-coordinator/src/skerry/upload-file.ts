// One file into the coordinator's store, in parts: it goes on where the store says, also after this process was ended and
// begun again, and each part is tried a few times.

import { open } from 'node:fs/promises';
import {
  backoffMs,
  type Clock,
  err,
  failure,
  messageOf,
  ok,
  type Random,
  type Result,
  sleep,
} from '@skerry/shared';
import type { BlobRef } from '@skerry/sync-protocol/blobs';
import { type CoordinatorClient, failureOf } from './coordinator-client.ts';

export interface UploadPorts {
  readonly client: CoordinatorClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
}

/** A part begins at a multiple of the store's chunks, which are 64 KiB. */
const partBytes = 1024 * 1024;
const chunkBytes = 65_536;
/** Without a byte further. */
const triesMax = 5;
const backoff = { initialMs: 200, maxMs: 5_000 };

export async function uploadFile(
  ref: BlobRef,
  path: string,
  { client, clock, random, signal }: UploadPorts,
  onMoved: (bytes: number) => void,
): Promise<Result<void>> {
  const url = `/v1/registry/files/${ref.digest}`;
  let furthest = 0;
  let tries = 0;
  for (;;) {
    const offset = await offsetOf(client, url, ref);
    const moved = offset.ok
      ? await sendFrom(client, url, ref, path, offset.value, onMoved)
      : offset;
    if (moved.ok && moved.value === 'whole') return ok(undefined);
    if (!moved.ok && !moved.error.retryable) return moved;
    const at = offset.ok ? offset.value : furthest;
    tries = at > furthest ? 1 : tries + 1;
    furthest = Math.max(at, furthest);
    if (tries >= triesMax || signal.aborted)
      return moved.ok ? err(failure('unavailable', 'the store does not take it')) : moved;
    await sleep(clock, backoffMs(backoff, tries, random), signal);
  }
}

/** How much of it the store has; all of it where it is whole. */
async function offsetOf(
  client: CoordinatorClient,
  url: string,
  { bytes }: BlobRef,
): Promise<Result<number>> {
  const head = await client.ask('HEAD', url);
  if (!head.ok) return head;
  const { headers, status } = head.value;
  const offset = Number(headers.get('upload-offset') ?? Number.NaN);
  if (Number.isInteger(offset) && offset >= 0 && offset <= bytes) {
    if (headers.get('upload-complete') === '?1') return ok(bytes);
    // All its chunks there and not confirmed: the last one again, and the store will look.
    return ok(Math.min(offset, Math.floor((bytes - 1) / chunkBytes) * chunkBytes));
  }
  return err(
    status === 200 ? failure('unavailable', 'no store answers there') : await failureOf(head.value),
  );
}

async function sendFrom(
  client: CoordinatorClient,
  url: string,
  { bytes }: BlobRef,
  path: string,
  from: number,
  onMoved: (bytes: number) => void,
): Promise<Result<'whole' | 'partial'>> {
  if (from === bytes) {
    onMoved(bytes);
    return ok('whole');
  }
  for (let at = from; at < bytes; at += partBytes) {
    onMoved(at);
    const part = await readPart(path, at, Math.min(partBytes, bytes - at));
    if (!part.ok) return part;
    const end = at + part.value.byteLength;
    const headers = {
      'content-range': `bytes ${at}-${end - 1}/${bytes}`,
      'content-type': 'application/octet-stream',
    };
    const response = await client.ask('PUT', url, { headers, body: part.value });
    if (!response.ok) return response;
    if (!response.value.ok) return err(await failureOf(response.value));
    onMoved(end);
    if (response.value.status === 201) return ok('whole');
  }
  return ok('partial');
}

async function readPart(path: string, offset: number, length: number): Promise<Result<Uint8Array>> {
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
      return bytesRead === length
        ? ok(buffer)
        : err(failure('storage_failed', `${path} has become shorter`));
    } finally {
      await file.close();
    }
  } catch (thrown) {
    return err(failure('storage_failed', `${path}: ${messageOf(thrown)}`));
  }
}
