// Who refers to a blob, as empty files {hex}/{owner} in a folder beside the blobs: durable by the directory's flush.

import { mkdir, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { digestSchema, err, failure, messageOf, ok, type Result } from '@skerry/shared';
import { type BlobReferences, blobOwnerSchema } from '../blobs/blob-store.ts';

const ownersMax = 100_000;

export async function openFileBlobReferences(folder: string): Promise<Result<BlobReferences>> {
  const owners = new Map<string, Set<string>>();
  let count = 0;
  const pathOf = (digest: string, owner: string): string | undefined =>
    digestSchema.safeParse(digest).success && blobOwnerSchema.safeParse(owner).success
      ? join(folder, digest.slice('sha256:'.length), owner)
      : undefined;
  const refuseName = err(failure('invalid_argument', 'expected a digest and the name of an owner'));

  const read = await attempt(async () => {
    await mkdir(folder, { recursive: true });
    for (const hex of await readdir(folder)) {
      const names = await readdir(join(folder, hex));
      if (names.length > 0) owners.set(`sha256:${hex}`, new Set(names));
      count += names.length;
    }
  });
  if (!read.ok) return read;
  return ok({
    async add(digest, owner) {
      const path = pathOf(digest, owner);
      if (path === undefined) return refuseName;
      if (owners.get(digest)?.has(owner)) return ok(undefined);
      if (count >= ownersMax) return err(failure('overloaded', `${count} references are kept`));
      count += 1;
      owners.set(digest, (owners.get(digest) ?? new Set()).add(owner));
      return attempt(async () => {
        await mkdir(join(path, '..'), { recursive: true });
        await (await open(path, 'w')).close();
        for (const directory of [join(path, '..'), folder]) await flush(directory);
      });
    },

    async drop(digest, owner) {
      const path = pathOf(digest, owner);
      if (path === undefined) return refuseName;
      const named = owners.get(digest);
      if (!named?.delete(owner)) return ok(undefined);
      count -= 1;
      if (named.size === 0) owners.delete(digest);
      return attempt(() => rm(path, { force: true })); // The empty folder stays: an `add` may be at it.
    },

    has: (digest) => owners.has(digest),
    owners: (digest) => [...(owners.get(digest) ?? [])],
    digests: () => [...owners.keys()],
  });
}

async function flush(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function attempt<T>(action: () => Promise<T>): Promise<Result<T>> {
  try {
    return ok(await action());
  } catch (thrown) {
    return err(failure('storage_failed', messageOf(thrown)));
  }
}
