// The cloud's stages of a version that devices run, from the registry's blobs. A device runs what its manifest's digest
// names, so here too nothing counts before its digest has been checked.

import type { Bundle } from '@skerry/models/node';
import { err, failure, ok, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import type { BlobRef, BlobStore } from '@skerry/sync-protocol/blobs';
import { readManifest } from './describe-manifest.ts';
import type { Registry } from './registry.ts';

/**
 * Of one variant by its digest. Fails with `model_not_found` where the registry has no such version or it is
 * decommissioned, and with `digest_mismatch` where the version has no such variant or a blob is not what it was.
 */
export function createReadRegistered(
  registry: Pick<Registry, 'version'>,
  blobs: Pick<BlobStore, 'read'>,
) {
  const readBlob = async ({ digest, bytes }: BlobRef): Promise<Result<Uint8Array>> => {
    const read = await blobs.read(digest, 0, bytes);
    if (!read.ok || sha256(read.value) === digest) return read;
    return err(failure('digest_mismatch', `blob ${digest} is not what its name says`));
  };

  return async (name: {
    readonly model: string;
    readonly version: string;
    readonly variant: string;
  }): Promise<Result<Bundle>> => {
    const { model, version } = name;
    const found = await registry.version(model, version);
    if (!found.ok) return found;
    // What is archived begins no rollout; devices that run it still ask.
    if (found.value.state === 'decommissioned')
      return err(failure('model_not_found', `version ${version} of ${model} is decommissioned`));
    const bytes = await readBlob(found.value.manifest);
    if (!bytes.ok) return bytes;
    const manifest = readManifest(bytes.value);
    if (!manifest.ok) return manifest;
    const variant = manifest.value.variants.find(({ digest }) => digest === name.variant);
    if (variant === undefined)
      return err(failure('digest_mismatch', `no variant ${name.variant} of ${model}@${version}`));
    const stages = new Map<string, Uint8Array>();
    for (const stage of manifest.value.stages.filter(({ side }) => side === 'cloud')) {
      const file = variant.files[stage.name];
      if (file === undefined)
        return err(failure('invalid_bundle', `${variant.name} has no stage ${stage.name}`));
      const read = await readBlob({ digest: file.sha256, bytes: file.bytes });
      if (!read.ok) return read;
      stages.set(stage.name, read.value);
    }
    const { digest } = found.value.manifest;
    return ok({ digest, manifest: manifest.value, variant, stages });
  };
}
