// Assignments as devices believe them: signed by the director that the published root names, of bundles that offline keys
// have signed, with the metadata that shows it.

import { err, failure } from '@skerry/shared';
import type { BlobRef } from '@skerry/sync-protocol/blobs';
import type { AssignmentSigner, BundleDirectory } from '../rollouts/index.ts';
import { createDirector, type DirectorPorts } from './director.ts';
import { createMetadataPacks, type MetadataPacksPorts } from './metadata-packs.ts';
import type { Published } from './published.ts';
import type { TrustRepository } from './repository.ts';
import { signedTarget } from './signed-target.ts';

export interface AssignmentSignerPorts extends DirectorPorts, MetadataPacksPorts {
  readonly repository: Pick<TrustRepository, 'published' | 'pack'>;
}

/** Fails as the director does. */
export function createAssignmentSigner(ports: AssignmentSignerPorts): AssignmentSigner {
  const director = createDirector(ports);
  const pack = createMetadataPacks(ports);
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
