// The calibration that a manifest carries: for one variant and no other, when each exit may be trusted, how that was
// shown, on how many examples, and what it costs. An older bundle has the required fields only.

import { digestSchema } from '@skerry/shared';
import { z } from 'zod';
import { methodNames } from '../calibration/choose-threshold.ts';
import { embeddingChannelsMax } from '../calibration/domain.ts';
import { lossNames } from '../calibration/loss.ts';

const share = z.number().min(0).max(1);
/** Answer here when confidence ≥ threshold; null: never. */
const threshold = share.nullable();
/** More classes, or points of a curve, would make a manifest that no device should have to read. */
const classesMax = 4096;
const curvePointsMax = 128;

const domainSchema = z.strictObject({
  energyMax: z.number(),
  distance: z
    .strictObject({
      means: z
        .array(z.array(z.number()).max(embeddingChannelsMax).readonly().nullable())
        .max(classesMax)
        .readonly(),
      precision: z
        .array(z.number())
        .max(embeddingChannelsMax ** 2)
        .readonly(),
      max: z.number().nonnegative(),
    })
    .optional(),
});

const exitCalibrationSchema = z.strictObject({
  exit: z.int().positive(),
  temperature: z.number().positive(),
  threshold,
  /** By answered class, in place of `threshold`. */
  thresholds: z.array(threshold).max(classesMax).optional(),
  /** An input outside of it is not answered here, however sure the exit is. */
  domain: domainSchema.optional(),
  method: z.enum([...methodNames, 'none']),
  /** What `epsilon` bounds; without it, `error`. */
  loss: z.enum(lossNames).optional(),
  /** The risk that is allowed: the mean over all examples of the loss of those answered here. */
  epsilon: share,
  /** learn-then-test: P(risk ≤ epsilon) ≥ 1 − delta. */
  delta: share,
  /** Held-out examples that the threshold was chosen on. */
  n: z.int().nonnegative(),
  /** Where there is no threshold: why. */
  reason: z.string().optional(),
  curve: z
    .array(z.strictObject({ threshold: share, coverage: share, risk: share }))
    .max(curvePointsMax)
    .optional(),
  /** On the same n examples. */
  metrics: z
    .strictObject({
      coverage: share,
      risk: share,
      /** Clopper–Pearson at delta; for 0/1 losses. */
      riskBound: share.optional(),
      outOfDomain: share,
      eceBefore: share,
      eceAfter: share,
      aurc: share,
      excessAurc: z.number(),
    })
    .optional(),
});

export const calibrationSchema = z.strictObject({
  /** The variant's digest: thresholds of another build mean nothing. */
  variant: digestSchema,
  /** Of the held-out examples. */
  data: digestSchema.optional(),
  exits: z.array(exitCalibrationSchema),
});

export type Calibration = z.infer<typeof calibrationSchema>;
export type ExitCalibration = Calibration['exits'][number];

/** What does not fit together within an exit's calibration. */
export function* calibrationProblems(
  { exit, thresholds, domain }: ExitCalibration,
  classes: number,
): Generator<string> {
  if (thresholds && thresholds.length !== classes)
    yield `exit ${exit} has thresholds for ${thresholds.length} classes of ${classes}`;
  if (domain?.distance === undefined) return;
  const { means, precision } = domain.distance;
  const size = Math.sqrt(precision.length);
  if (means.length !== classes || means.some((mean) => mean !== null && mean.length !== size))
    yield `exit ${exit} has a domain that is not of ${classes} classes of one size`;
}
