import type { Digest } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import type { Stage, Variant } from '../bundle/manifest.ts';

/** Names a variant's bytes as a whole: sha256 over its stages' digests, in the stages' order, one a line. */
export function variantDigest(stages: readonly Stage[], files: Variant['files']): Digest {
  const lines = stages.map((stage) => `${files[stage.name]?.sha256}\n`).join('');
  return sha256(new TextEncoder().encode(lines));
}
