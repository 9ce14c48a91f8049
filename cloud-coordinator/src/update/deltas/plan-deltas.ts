// Which deltas are worth making before a rollout begins. Pure.

import type { Manifest, Variant } from '@skerry/models';
import type { BlobRef } from '@skerry/sync-protocol/blobs';

export interface WantedDelta {
  readonly target: BlobRef;
  /** Absent: the target by itself, compressed, for who has none of the bases. */
  readonly base?: BlobRef;
}

/** Of the bundles that devices run now, those that most run. */
const basesMax = 4;

/**
 * For each file that a device fetches: from the same variant's file of each base, the commonest first.
 *
 * @param bases each with the devices that run it
 */
export function planDeltas(
  target: Manifest,
  bases: readonly { readonly manifest: Manifest; readonly devices: number }[],
  wantedMax: number,
): readonly WantedDelta[] {
  const commonest = bases.toSorted((a, b) => b.devices - a.devices).slice(0, basesMax);
  const wanted: WantedDelta[] = [];
  const known = new Set<string>();
  const want = (delta: WantedDelta): void => {
    const key = `${delta.base?.digest} ${delta.target.digest}`;
    if (known.has(key) || delta.base?.digest === delta.target.digest) return;
    known.add(key);
    wanted.push(delta);
  };
  for (const { manifest } of commonest)
    for (const [stage, file] of filesOnDevice(target))
      for (const [other, base] of filesOnDevice(manifest))
        if (stage === other) want({ target: file, base });
  for (const [, file] of filesOnDevice(target)) want({ target: file });
  return wanted.slice(0, wantedMax);
}

/** By variant and stage. */
function filesOnDevice({ stages, variants }: Manifest): readonly (readonly [string, BlobRef])[] {
  const onDevice = stages.filter(({ side }) => side === 'edge').map(({ name }) => name);
  return variants.flatMap((variant) =>
    onDevice.flatMap((stage) => {
      const file = fileOf(variant, stage);
      return file === undefined ? [] : [[`${variant.name}/${stage}`, file] as const];
    }),
  );
}

function fileOf({ files }: Variant, stage: string): BlobRef | undefined {
  const file = files[stage];
  return file && { digest: file.sha256, bytes: file.bytes };
}
