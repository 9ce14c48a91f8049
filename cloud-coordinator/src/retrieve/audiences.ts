// Who sees which blobs of a collection. Its owners are the principals that may read a blob, so that a device sees those that
// its subscription may read, however many devices there are. [TRV12]

import { ok, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import type { BlobReferences } from '@skerry/sync-protocol/blobs';

/** By digest, who may read it; null: whoever holds the collection. */
export type ReadersOf = ReadonlyMap<string, readonly string[] | null>;

const digestCharacters = 32;

const prefixOf = (collection: string): string => `collection.${collection}.`;
const ownerOf = (collection: string, principal: string): string =>
  prefixOf(collection) + sha256(new TextEncoder().encode(principal)).slice(-digestCharacters);
const everybodyOf = (collection: string): string => `${prefixOf(collection)}all`;

/** Owners whose blobs a device sees that acts as `readers`. */
export const audiencesOf = (collection: string, readers: readonly string[]): readonly string[] => [
  everybodyOf(collection),
  ...readers.map((principal) => ownerOf(collection, principal)),
];

const ownersOf = (
  collection: string,
  readers: readonly string[] | null | undefined,
): readonly string[] =>
  readers === null
    ? [everybodyOf(collection)]
    : (readers ?? []).map((principal) => ownerOf(collection, principal));

export async function keepBlobs(
  references: BlobReferences,
  collection: string,
  blobs: ReadersOf,
): Promise<Result<void>> {
  for (const [digest, readers] of blobs)
    for (const owner of ownersOf(collection, readers)) {
      const added = await references.add(digest, owner);
      if (!added.ok) return added;
    }
  return ok(undefined);
}

/** Of what is kept too, those who may not read it any more. */
export async function letGo(
  references: BlobReferences,
  collection: string,
  digests: Iterable<string>,
  kept: readonly ReadersOf[],
): Promise<Result<void>> {
  for (const digest of digests) {
    const stay = new Set(kept.flatMap((each) => ownersOf(collection, each.get(digest))));
    for (const owner of references.owners(digest)) {
      if (!isOf(collection, owner) || stay.has(owner)) continue;
      const dropped = await references.drop(digest, owner);
      if (!dropped.ok) return dropped;
    }
  }
  return ok(undefined);
}

/** A collection's name may begin as another's does: `manuals` and `manuals.north`. */
const isOf = (collection: string, owner: string): boolean =>
  owner.slice(0, owner.lastIndexOf('.') + 1) === prefixOf(collection);
