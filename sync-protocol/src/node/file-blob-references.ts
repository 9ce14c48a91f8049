// Who refers to a blob, as empty files {hex}/{owner} in a folder beside the blobs: durable by the directory's flush.

import { mkdir, open, readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { digestSchema, err, failure, ok, type Result } from '@skerry/shared';
import { attempt, flushFolder } from '@skerry/shared/node';
import { type BlobReferences, blobOwnerSchema } from '../blobs/blob-store.ts';
import { createTurns } from '../documents/turns.ts';

const ownersMax = 100_000;

export async function openFileBlobReferences(folder: string): Promise<Result<BlobReferences>> {
  const owners = new Map<string, Set<string>>();
  /** An add and a drop of one digest share its folder: one waits for the other. */
  const turns = createTurns();
  let count = 0;
  const folderOf = (digest: string): string => join(folder, digest.slice('sha256:'.length));
  const pathOf = (digest: string, owner: string): string | undefined =>
    digestSchema.safeParse(digest).success && blobOwnerSchema.safeParse(owner).success
      ? join(folderOf(digest), owner)
      : undefined;
  const refuseName = err(failure('invalid_argument', 'expected a digest and the name of an owner'));

  const read = await attempt(async () => {
    await mkdir(folder, { recursive: true });
    for (const hex of await readdir(folder)) {
      const digest = `sha256:${hex}`;
      const names = await readdir(folderOf(digest));
      if (names.length > 0) owners.set(digest, new Set(names));
      else await rmdir(folderOf(digest)); // A crash came before its owner, or after the last.
      count += names.length;
    }
  });
  if (!read.ok) return read;

  const remember = (digest: string, owner: string): void => {
    owners.set(digest, (owners.get(digest) ?? new Set()).add(owner));
    count += 1;
  };
  const forget = (digest: string, owner: string): void => {
    const named = owners.get(digest);
    named?.delete(owner);
    if (named?.size === 0) owners.delete(digest);
    count -= 1;
  };

  const add = async (digest: string, owner: string, path: string): Promise<Result<void>> => {
    if (owners.get(digest)?.has(owner)) return ok(undefined);
    if (count >= ownersMax) return err(failure('overloaded', `${count} references are kept`));
    remember(digest, owner); // At once: what is to be referred to must not be evicted meanwhile.
    const written = await attempt(async () => {
      await mkdir(folderOf(digest), { recursive: true });
      await (await open(path, 'w')).close();
      for (const directory of [folderOf(digest), folder]) await flushFolder(directory);
    });
    if (!written.ok) {
      forget(digest, owner); // Whoever asks again must not hear that it is there.
      await attempt(() => rm(path, { force: true }));
    }
    return written;
  };

  const drop = async (digest: string, owner: string, path: string): Promise<Result<void>> => {
    if (!owners.get(digest)?.has(owner)) return ok(undefined);
    const removed = await attempt(() => rm(path, { force: true }));
    if (!removed.ok) return removed;
    forget(digest, owner);
    return owners.has(digest) ? ok(undefined) : attempt(() => removeEmpty(folderOf(digest)));
  };

  return ok({
    async add(digest, owner) {
      const path = pathOf(digest, owner);
      if (path === undefined) return refuseName;
      return turns.take(digest, () => add(digest, owner, path));
    },

    async drop(digest, owner) {
      const path = pathOf(digest, owner);
      if (path === undefined) return refuseName;
      return turns.take(digest, () => drop(digest, owner, path));
    },

    has: (digest) => owners.has(digest),
    owners: (digest) => [...(owners.get(digest) ?? [])],
    digests: () => [...owners.keys()],
  });
}

/** Left where a failed `add` has put a name that it could not take back. */
async function removeEmpty(directory: string): Promise<void> {
  if ((await readdir(directory)).length === 0) await rmdir(directory);
}
