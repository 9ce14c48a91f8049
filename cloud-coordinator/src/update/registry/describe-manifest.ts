// A bundle's manifest as the registry lists it; and whether it is all that it must be before anybody may be told to run
// it. Pure.

import type { Manifest } from '@skerry/models';
import { parseManifest, variantDigest } from '@skerry/models/node';
import { err, failure, type Result } from '@skerry/shared';
import type { BlobRef } from '@skerry/sync-protocol/blobs';
import { type Description, descriptionBounds } from './model-event.ts';

/** Fails with `invalid_bundle`, or `digest_mismatch` for a variant that is not its files. */
export function readManifest(bytes: Uint8Array): Result<Manifest> {
  const manifest = parseManifest(bytes, 'manifest.json');
  if (!manifest.ok) return manifest;
  const { stages, variants } = manifest.value;
  const false_ = variants.find(({ digest, files }) => digest !== variantDigest(stages, files));
  return false_ === undefined
    ? manifest
    : err(failure('digest_mismatch', `variant ${false_.name} is not its files`));
}

export interface BundleFiles {
  /** What devices fetch. */
  readonly edge: readonly BlobRef[];
  readonly cloud: readonly BlobRef[];
}

/** Every file of every variant, each once. */
export function filesOf({ stages, variants }: Manifest): BundleFiles {
  const onDevice = new Set(stages.filter(({ side }) => side === 'edge').map(({ name }) => name));
  const [edge, cloud] = [new Map<string, BlobRef>(), new Map<string, BlobRef>()];
  for (const { files } of variants)
    for (const [stage, { sha256: digest, bytes }] of Object.entries(files))
      (onDevice.has(stage) ? edge : cloud).set(digest, { digest, bytes });
  return { edge: [...edge.values()], cloud: [...cloud.values()] };
}

/** Shortened where a manifest says more than a list shows. */
export function describeManifest(
  manifest: Manifest,
  more: Pick<Description['lineage'], 'revision' | 'run'>,
): Description {
  const { task, licence, card, lineage, stages } = manifest;
  const onDevice = new Set(stages.filter(({ side }) => side === 'edge').map(({ name }) => name));
  return {
    task,
    licence: licence.slice(0, descriptionBounds.licence),
    summary: card.summary.slice(0, descriptionBounds.summary),
    metrics: card.metrics,
    lineage: {
      ...lineage,
      recipe: lineage.recipe.slice(0, descriptionBounds.recipe),
      data: lineage.data
        .slice(0, descriptionBounds.data)
        .map((set) => ({ ...set, name: set.name.slice(0, descriptionBounds.dataName) })),
      ...more,
    },
    variants: manifest.variants.map(({ name, digest, files, metrics = {} }) => {
      const sizes = Object.entries(files).map(([stage, { bytes }]) => ({
        bytes,
        edgeBytes: onDevice.has(stage) ? bytes : 0,
      }));
      return {
        name,
        digest,
        metrics,
        bytes: sizes.reduce((sum, each) => sum + each.bytes, 0),
        edgeBytes: sizes.reduce((sum, each) => sum + each.edgeBytes, 0),
      };
    }),
  };
}
