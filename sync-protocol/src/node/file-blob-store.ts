// Blobs in a folder. Survives a kill between any two writes:
//
//   whole/{hex}          verified; got here by a rename, after its bytes were flushed
//   partial/{hex}.data   the chunks so far, each at its place; flushed before the chunk counts as there
//   partial/{hex}.have   the size, and one byte a chunk: 1 where it is there. Its length proves it was written whole.
//
// One process owns the folder. What an index would say is kept in memory, and read from the folder when it is opened.

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import {
  type FileHandle,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  utimes,
} from 'node:fs/promises';
import { join } from 'node:path';
import { digestSchema, err, failure, ok, type Result } from '@skerry/shared';
import { attempt, flushFolder, withFile } from '@skerry/shared/node';
import { allMissing, isMissing, markPresent, missingCount } from '../blobs/bitmap.ts';
import { type BlobRef, blobRefSchema, chunkCount, chunkSpan } from '../blobs/blob.ts';
import type { BlobRecord, BlobStore, Holding } from '../blobs/blob-store.ts';
import { type BlobBounds, planEviction } from '../blobs/plan-eviction.ts';

export interface FileBlobStorePorts {
  readonly nowMs: () => number;
  readonly isReferenced: (digest: string) => boolean;
  /** What has been evicted to make room. */
  readonly onEvicted?: (blob: BlobRecord) => void;
}

/** The size, as a big-endian uint64, before the byte of each chunk. */
const headerBytes = 8;
/** The time of the last read is for eviction; it need not be exact, and costs a write. */
const usedResolutionMs = 60_000;

interface Held {
  readonly bytes: number;
  usedAtMs: number;
  /** Of a partial blob. */
  missing?: Uint8Array;
}

export async function openFileBlobStore(
  folder: string,
  bounds: BlobBounds,
  ports: FileBlobStorePorts,
): Promise<Result<BlobStore>> {
  const { nowMs } = ports;
  const paths = {
    whole: (digest: string) => join(folder, 'whole', hexOf(digest)),
    data: (digest: string) => join(folder, 'partial', `${hexOf(digest)}.data`),
    have: (digest: string) => join(folder, 'partial', `${hexOf(digest)}.have`),
  };
  const recovered = await attempt(() => recover(folder));
  if (!recovered.ok) return recovered;
  const held = recovered.value;
  const inTurn = createTurns();

  const forget = async (digest: string): Promise<void> => {
    held.delete(digest);
    // The bitmap last: without it the data would be no partial blob but litter.
    for (const path of [paths.whole(digest), paths.data(digest), paths.have(digest)])
      await rm(path, { force: true });
  };

  const makeRoom = async (ref: BlobRef): Promise<Result<void>> => {
    if (ref.bytes > bounds.quotaBytesMax)
      return err(failure('too_large', `${ref.bytes} bytes, the quota is ${bounds.quotaBytesMax}`));
    const evicted = planEviction(records(held), ref.bytes, ports.isReferenced, nowMs(), bounds);
    if (evicted === undefined)
      return err(failure('overloaded', `no room for a blob of ${ref.bytes} bytes`));
    for (const blob of evicted) {
      await forget(blob.digest);
      ports.onEvicted?.(blob);
    }
    return ok(undefined);
  };

  const begin = async (ref: BlobRef): Promise<Result<Required<Held>>> => {
    const room = await makeRoom(ref);
    if (!room.ok) return room;
    const chunks = chunkCount(ref.bytes);
    const begun = { bytes: ref.bytes, usedAtMs: nowMs(), missing: allMissing(chunks) };
    held.set(ref.digest, begun); // Before the first wait: whoever asks for room now must see it taken.
    const have = Buffer.alloc(headerBytes + chunks);
    have.writeBigUInt64BE(BigInt(ref.bytes));
    const written = await attempt(async () => {
      await withFile(paths.data(ref.digest), 'w', (file) => file.truncate(ref.bytes));
      await withFile(paths.have(ref.digest), 'w', (file) => file.write(have));
    });
    if (written.ok) return ok(begun);
    await attempt(() => forget(ref.digest));
    return written;
  };

  const write: BlobStore['write'] = async (ref, index, chunk) => {
    const known = held.get(ref.digest);
    if (known !== undefined && known.bytes !== ref.bytes)
      return err(failure('invalid_argument', `held with ${known.bytes} bytes, not ${ref.bytes}`));
    if (known !== undefined && known.missing === undefined) return ok(undefined);
    const span = chunkSpan(ref.bytes, index);
    if (span?.length !== chunk.length)
      return err(failure('invalid_argument', `no chunk ${index} of ${chunk.length} bytes`));
    const begun = known === undefined ? await begin(ref) : ok(known as Required<Held>);
    if (!begun.ok) return begun;
    if (!isMissing(begun.value.missing, index)) return ok(undefined);
    const written = await attempt(async () => {
      await withFile(paths.data(ref.digest), 'r+', async (file) => {
        await file.write(chunk, 0, chunk.length, span.offset);
        await file.datasync();
      });
      // Not flushed: if this byte is lost, the chunk is asked for again.
      await withFile(paths.have(ref.digest), 'r+', (file) =>
        file.write(Uint8Array.of(1), 0, 1, headerBytes + index),
      );
    });
    if (!written.ok) return written;
    markPresent(begun.value.missing, index);
    begun.value.usedAtMs = nowMs();
    return ok(undefined);
  };

  const finish: BlobStore['finish'] = async (digest) => {
    const known = held.get(digest);
    if (known === undefined) return err(failure('not_found', `nothing of ${digest}`));
    if (known.missing === undefined) return ok(undefined);
    const missing = missingCount(known.missing);
    if (missing > 0) return err(failure('invalid_argument', `${missing} chunks are missing`));
    const found = await attempt(() => sha256Of(paths.data(digest)));
    if (!found.ok) return found;
    if (found.value !== digest) {
      const forgotten = await attempt(() => forget(digest));
      return forgotten.ok
        ? err(failure('digest_mismatch', `the bytes are ${found.value}, not ${digest}`))
        : forgotten;
    }
    return attempt(async () => {
      await withFile(paths.data(digest), 'r+', (file) => file.sync());
      await rename(paths.data(digest), paths.whole(digest));
      await flushFolder(join(folder, 'whole'));
      delete known.missing;
      await rm(paths.have(digest), { force: true });
    });
  };

  const touch = async (digest: string, known: Held): Promise<void> => {
    if (nowMs() - known.usedAtMs < usedResolutionMs) return;
    known.usedAtMs = nowMs();
    await utimes(paths.whole(digest), known.usedAtMs / 1000, known.usedAtMs / 1000);
  };

  return ok({
    async holding(digest): Promise<Result<Holding>> {
      const known = held.get(digest);
      if (known === undefined) return ok({ kind: 'none' });
      const { bytes, missing } = known;
      return ok(
        missing === undefined
          ? { kind: 'whole', bytes }
          : { kind: 'partial', bytes, missing: missing.slice() },
      );
    },

    async read(digest, offset, length) {
      const known = held.get(digest);
      if (known === undefined || known.missing !== undefined)
        return err(failure('not_found', `no whole blob ${digest.slice(0, 80)}`));
      if (offset < 0 || length < 0 || offset + length > known.bytes)
        return err(failure('invalid_argument', `no span ${offset}+${length} of ${known.bytes}`));
      const bytes = new Uint8Array(length);
      const got = await attempt(async () => {
        await touch(digest, known);
        return withFile(paths.whole(digest), 'r', (file) => readFully(file, bytes, offset));
      });
      if (!got.ok) return got;
      return got.value === length
        ? ok(bytes)
        : err(failure('digest_mismatch', `${digest} has lost its end on disk`));
    },

    write: (ref, index, chunk) => {
      const parsed = blobRefSchema.safeParse(ref);
      return parsed.success
        ? inTurn(ref.digest, () => write(ref, index, chunk))
        : Promise.resolve(err(failure('invalid_argument', 'no digest and size of a blob')));
    },
    finish: (digest) => inTurn(digest, () => finish(digest)),
    remove: async (digest) =>
      digestSchema.safeParse(digest).success
        ? inTurn(digest, () => attempt(() => forget(digest)))
        : ok(undefined),
    list: async () => ok(records(held)),
  });
}

/** What the folder says, after what a kill has left half done is cleared away. */
async function recover(folder: string): Promise<Map<string, Held>> {
  const [whole, partial] = [join(folder, 'whole'), join(folder, 'partial')];
  await mkdir(whole, { recursive: true });
  await mkdir(partial, { recursive: true });
  const held = new Map<string, Held>();
  const wholes = new Set((await readdir(whole)).filter(isHex));
  for (const hex of wholes) {
    const { size, mtimeMs } = await stat(join(whole, hex));
    held.set(`sha256:${hex}`, { bytes: size, usedAtMs: mtimeMs });
  }
  for (const name of await readdir(partial)) {
    const hex = name.slice(0, name.lastIndexOf('.'));
    const found = wholes.has(hex) ? undefined : await readPartial(partial, hex);
    // Whole already, or killed while it began: what is left is litter.
    if (found === undefined) await rm(join(partial, name), { force: true });
    else held.set(`sha256:${hex}`, found);
  }
  return held;
}

async function readPartial(folder: string, hex: string): Promise<Held | undefined> {
  if (!isHex(hex)) return undefined;
  try {
    const path = join(folder, `${hex}.have`);
    const have = await readFile(path);
    const data = await stat(join(folder, `${hex}.data`));
    const bytes = Number(have.readBigUInt64BE());
    if (data.size !== bytes || have.length !== headerBytes + chunkCount(bytes)) return undefined;
    const missing = allMissing(chunkCount(bytes));
    for (const [index, there] of have.subarray(headerBytes).entries())
      if (there === 1) markPresent(missing, index);
    return { bytes, usedAtMs: (await stat(path)).mtimeMs, missing };
  } catch {
    return undefined; // One of the two files is not there, or too short.
  }
}

const hexOf = (digest: string): string => digest.slice('sha256:'.length);
const isHex = (name: string): boolean => digestSchema.safeParse(`sha256:${name}`).success;

function records(held: ReadonlyMap<string, Held>): BlobRecord[] {
  return [...held].map(([digest, { bytes, usedAtMs, missing }]) => {
    return { digest, bytes, usedAtMs, whole: missing === undefined };
  });
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const part of createReadStream(path, { highWaterMark: 1_048_576 })) hash.update(part);
  return `sha256:${hash.digest('hex')}`;
}

async function readFully(file: FileHandle, into: Uint8Array, offset: number): Promise<number> {
  let got = 0;
  while (got < into.length) {
    const { bytesRead } = await file.read(into, got, into.length - got, offset + got);
    if (bytesRead === 0) break;
    got += bytesRead;
  }
  return got;
}

/** Whatever concerns one blob runs one after the other. Callers wait for their own, so they bound what waits. */
function createTurns(): <T>(key: string, action: () => Promise<T>) => Promise<T> {
  const last = new Map<string, Promise<unknown>>();
  return (key, action) => {
    const mine = (last.get(key) ?? Promise.resolve()).then(action);
    last.set(key, mine);
    const done = (): void => {
      if (last.get(key) === mine) last.delete(key);
    };
    void mine.then(done, done);
    return mine;
  };
}
