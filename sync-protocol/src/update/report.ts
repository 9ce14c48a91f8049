// What a device says of an update: one op for each durable transition, so that the cloud never takes silence for
// success, and the counts by which a gate judges how the model behaves.

import { digestSchema, nameSchema } from '@skerry/shared';
import { z } from 'zod';

const countSchema = z.int().nonnegative();
/** A model of more classes tells none of them. */
export const healthLabelsMax = 64;

/**
 * Where a device stands with one bundle. `refused`: it was not begun (no signature, no room, it does not fit the target).
 * `rolled-back` ends what had begun; `quarantined` says that the device will not try this bundle again.
 */
export const updateStates = [
  'assigned',
  'fetching',
  'verified',
  'staged',
  'shadowing',
  'activating',
  'soaking',
  'confirmed',
  'refused',
  'stopped',
  'rolled-back',
  'quarantined',
] as const;
export type UpdateState = (typeof updateStates)[number];

/** Of answers and the cloud's word on them. */
const agreementSchema = z.strictObject({ answers: countSchema, agreed: countSchema });

/** Counts and no shares, so that a gate can add up devices. Of one bundle, over one stretch of time. */
export const healthSchema = z.strictObject({
  overMs: countSchema,
  requests: countSchema,
  failures: countSchema,
  /** Answered by the device itself, as its calibration allows. */
  atExit: countSchema,
  escalated: countSchema,
  degraded: countSchema,
  /** Escalated ones that the cloud has answered: is it what the device would have said? */
  cloud: agreementSchema,
  /** Confident ones, picked at random. */
  audit: agreementSchema,
  /** Ran beside the incumbent: the label of both. */
  shadow: agreementSchema.optional(),
  latency: z.strictObject({ p50Ms: z.number().nonnegative(), p95Ms: z.number().nonnegative() }),
  memoryBytes: countSchema,
  /** How often each class was answered, where there are few: a shift of the answers shows here. */
  labels: z.array(countSchema).max(healthLabelsMax).optional(),
});
export type Health = z.infer<typeof healthSchema>;

export const updateReportSchema = z.strictObject({
  kind: z.literal('update-report'),
  model: nameSchema,
  version: z.string().max(64),
  bundle: digestSchema,
  /** The assignment's, by which the device acts. */
  counter: countSchema,
  rollout: nameSchema.optional(),
  /** The arm, where the assignment names an experiment. `control` stays at `assigned` and tells of the incumbent. */
  arm: z.enum(['control', 'candidate']).optional(),
  state: z.enum(updateStates),
  /** Of this bundle on this device, from 1. */
  attempt: z.int().min(1).max(1_000),
  /** Why, where the state does not say it. */
  reason: z.strictObject({ code: z.string().max(64), message: z.string().max(512) }).optional(),
  /** What runs now. */
  running: digestSchema.optional(),
  /** How the bytes came, once they have. */
  moved: z
    .strictObject({
      bytes: countSchema,
      fullBytes: countSchema,
      way: z.enum(['none', 'full', 'delta']),
    })
    .optional(),
  health: healthSchema.optional(),
  /** The incumbent's, before. */
  baseline: healthSchema.optional(),
});
export type UpdateReport = z.infer<typeof updateReportSchema>;
