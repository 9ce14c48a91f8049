// From the documents that are here to those of a snapshot: what has to come, what goes, and what it saves to have been
// here. Pure.

import type { SnapshotEntry } from '@skerry/sync-protocol/collections';
import type { StagedDocument } from '../collection-file.ts';

export interface SnapshotPlan {
  /** Neither here nor staged. */
  readonly fetch: readonly SnapshotEntry[];
  /** Are in the snapshot that stands, and not in this one. */
  readonly gone: readonly string[];
  /** Of what is here already. */
  readonly savedBytes: number;
}

export interface Here {
  /** Of the snapshot that stands. */
  readonly held: readonly SnapshotEntry[];
  /** Whether their vectors are as they must be. */
  readonly sameVectors: boolean;
  readonly staged: readonly StagedDocument[];
}

export function planChange(
  { held, sameVectors, staged }: Here,
  wanted: readonly SnapshotEntry[],
): SnapshotPlan {
  const usable = sameVectors ? held : [];
  const here = new Set([
    ...usable.map(({ uri, blob }) => keyOf(uri, blob.digest)),
    ...staged.map(({ uri, blob }) => keyOf(uri, blob)),
  ]);
  const isHere = ({ uri, blob }: SnapshotEntry): boolean => here.has(keyOf(uri, blob.digest));
  const kept = new Set(wanted.map(({ uri }) => uri));
  return {
    fetch: wanted.filter((entry) => !isHere(entry)),
    gone: held.map(({ uri }) => uri).filter((uri) => !kept.has(uri)),
    savedBytes: wanted.filter(isHere).reduce((sum, { blob }) => sum + blob.bytes, 0),
  };
}

const keyOf = (uri: string, blob: string): string => `${blob} ${uri}`;
