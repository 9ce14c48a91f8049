// BlobReferences whose disk is an object.

import { digestSchema, err, failure, ok } from '@skerry/shared';
import { type BlobReferences, blobOwnerSchema } from '../blobs/blob-store.ts';

export type MemoryReferencesDisk = Map<string, Set<string>>;

export function createMemoryBlobReferences(disk: MemoryReferencesDisk = new Map()): BlobReferences {
  return {
    async add(digest, owner) {
      if (!digestSchema.safeParse(digest).success || !blobOwnerSchema.safeParse(owner).success)
        return err(failure('invalid_argument', 'expected a digest and the name of an owner'));
      disk.set(digest, (disk.get(digest) ?? new Set()).add(owner));
      return ok(undefined);
    },
    async drop(digest, owner) {
      disk.get(digest)?.delete(owner);
      if (disk.get(digest)?.size === 0) disk.delete(digest);
      return ok(undefined);
    },
    has: (digest) => disk.has(digest),
    owners: (digest) => [...(disk.get(digest) ?? [])],
    digests: () => [...disk.keys()],
  };
}
