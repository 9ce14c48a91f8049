// A bundle as the update's signed metadata names it: the path of its manifest, whose sha256 is the bundle's digest, and
// what whoever signs it says about it (TUF's `custom`).

import { digestSchema, nameSchema } from '@skerry/shared';
import { z } from 'zod';
import { manifestSchema } from './manifest.ts';

export const bundleTargetSchema = z.object({
  model: nameSchema,
  version: manifestSchema.shape.version,
  /**
   * Rises with a release behind which there is no way back: no device takes a bundle whose counter is lower than that of
   * another of its model, as long as both are signed (Uptane standard §5.4.4, there against what the device runs).
   */
  releaseCounter: z.int().nonnegative(),
  /** Each variant's digest, so that a device can choose before it fetches the manifest. */
  variants: z.record(nameSchema, digestSchema).optional(),
});

export type BundleTarget = z.infer<typeof bundleTargetSchema>;

export const bundleTargetPath = (model: string, version: string): string =>
  `${model}/${version}/manifest.json`;
