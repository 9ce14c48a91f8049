// A collection's snapshot as a target: whose it is, and that it is none that was left behind.

import { err, failure, ok, type Result } from '@skerry/shared';
import {
  type SnapshotTarget,
  snapshotTargetPath,
  snapshotTargetSchema,
} from '@skerry/sync-protocol/collections';
import { type FoundTarget, type MetadataFiles, textsOf } from './accepted-metadata.ts';

export interface SignedSnapshot {
  /** Of the manifest. */
  readonly digest: string;
  readonly bytes: number;
  readonly custom: SnapshotTarget;
  /** The signed files that say so. */
  readonly evidence: Readonly<Record<string, string>>;
}

/** Fails with `untrusted` for what was signed as something else: at that path stands that snapshot alone. */
export function signedSnapshot(
  { file, by }: FoundTarget,
  files: MetadataFiles,
): Result<SignedSnapshot> {
  const { sha256: hex } = file.hashes;
  const custom = snapshotTargetSchema.safeParse(file.custom);
  const isOwn =
    custom.success &&
    snapshotTargetPath(custom.data.collection, custom.data.sequence) === file.path;
  if (hex === undefined || !isOwn)
    return err(failure('untrusted', `${file.path} is signed as no snapshot of a collection`));
  const evidence = textsOf(files, by);
  return ok({ digest: `sha256:${hex}`, bytes: file.length, custom: custom.data, evidence });
}

/** [TRV7] A collection goes back by a further snapshot with earlier contents, and by nothing else. */
export function refuseEarlier(
  signed: SignedSnapshot,
  taken: Readonly<Record<string, number>>,
): Result<SignedSnapshot> {
  const { collection, sequence } = signed.custom;
  const least = taken[collection] ?? 0;
  return sequence >= least
    ? ok(signed)
    : err(
        failure('untrusted', `${collection} ${sequence}: this device has taken ${least} already`),
      );
}
