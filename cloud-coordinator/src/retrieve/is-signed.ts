// Whether what is published speaks for a snapshot: the very bytes at its path.

import { snapshotTargetPath } from '@skerry/sync-protocol/collections';
import type { Published } from '../update/trust/published.ts';
import { signedTarget } from '../update/trust/signed-target.ts';
import type { PublishedSnapshot } from './collection-event.ts';

/** @param published undefined before the first publication */
export function isSigned(
  published: Published | undefined,
  collection: string,
  { sequence, manifest: { digest } }: PublishedSnapshot,
): boolean {
  const path = snapshotTargetPath(collection, sequence);
  const target = published && signedTarget(published, path);
  return target !== undefined && `sha256:${target.hashes.sha256}` === digest;
}
