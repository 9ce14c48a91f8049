// Assignments as devices believe them: signed by the director that the published root names, of bundles that offline keys
// have signed, with the metadata that shows it.

import { err, failure, ok, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import {
  audiences,
  type BlobRef,
  type BlobReferences,
  type BlobStore,
  storeBytes,
} from '@skerry/sync-protocol/blobs';
import type { AssignmentSigner, BundleDirectory } from '../rollouts/index.ts';
import { createDirector, type DirectorPorts } from './director.ts';
import type { Published } from './published.ts';
import type { TrustRepository } from './repository.ts';
import { signedTarget } from './signed-target.ts';

export interface AssignmentSignerPorts extends DirectorPorts {
  readonly repository: Pick<TrustRepository, 'published' | 'pack'>;
  readonly blobs: Pick<BlobStore, 'write' | 'finish'>;
  readonly references: BlobReferences;
}

/** Of the metadata that devices may still be fetching. */
const packsKeptMax = 32;
/** A fleet's assignments come by the thousand, and metadata changes by the day. */
const packGoodForMs = 5_000;

/** Fails as the director does. */
export function createAssignmentSigner(ports: AssignmentSignerPorts): AssignmentSigner {
  const { repository, blobs, references, clock } = ports;
  const director = createDirector(ports);
  // Those of a start before this one too.
  const packs = references
    .digests()
    .filter((digest) => references.owners(digest).includes(audiences.metadata));
  let latest: { readonly ref: BlobRef; readonly atMs: number } | undefined;

  /** Where a device that reaches no HTTP finds the metadata. */
  const pack = async (): Promise<Result<BlobRef>> => {
    const nowMs = clock.monotonicMs();
    if (latest !== undefined && nowMs - latest.atMs < packGoodForMs) return ok(latest.ref);
    const packed = await repository.pack();
    if (!packed.ok) return packed;
    const ref = { digest: sha256(packed.value), bytes: packed.value.length };
    const kept = packs.includes(ref.digest) ? ok(undefined) : await keep(ref, packed.value);
    if (!kept.ok) return kept;
    latest = { ref, atMs: nowMs };
    return ok(ref);
  };

  const keep = async (ref: BlobRef, bytes: Uint8Array): Promise<Result<void>> => {
    const referred = await references.add(ref.digest, audiences.metadata);
    if (!referred.ok) return referred;
    const stored = await storeBytes(blobs, ref, bytes);
    if (!stored.ok) return stored;
    packs.push(ref.digest);
    const oldest = packs.length > packsKeptMax ? packs.shift() : undefined;
    return oldest === undefined ? ok(undefined) : references.drop(oldest, audiences.metadata);
  };

  return {
    async sign(assignment) {
      const metadata = await pack();
      return metadata.ok ? director.sign({ ...assignment, metadata: metadata.value }) : metadata;
    },
  };
}

/** `bundles`, of which those alone are resolved that devices would install: what is not signed begins no rollout. */
export function signedBundles(
  bundles: BundleDirectory,
  repository: Pick<TrustRepository, 'published'>,
): BundleDirectory {
  return {
    ...bundles,
    async resolve(model, version) {
      const found = await bundles.resolve(model, version);
      if (!found.ok) return found;
      const published = await repository.published();
      if (!published.ok) return published;
      const why = whyUnsigned(published.value, found.value);
      return why === undefined ? found : err(failure('invalid_argument', why));
    },
  };
}

function whyUnsigned(
  published: Published | undefined,
  { target, bundle }: { readonly target: string; readonly bundle: BlobRef },
): string | undefined {
  if (published === undefined) return 'nothing is signed yet: skerry-coordinator tuf init';
  const signed = signedTarget(published, target);
  if (signed === undefined)
    return `${target} is not signed: skerry-coordinator tuf add, sign and publish`;
  return `sha256:${signed.hashes.sha256}` === bundle.digest
    ? undefined
    : `${target} is signed with other bytes: sha256:${signed.hashes.sha256}`;
}
