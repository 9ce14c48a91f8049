// What an operator asks for when a fleet shall move to a version: whom, in which waves, how fast, and what must be true
// before the next wave begins. The API's border; everything that can be refused about it is refused when it is created.

import { digestSchema, nameSchema, shareSchema } from '@skerry/shared';
import { modelAssignmentSchema } from '@skerry/sync-protocol/update';
import { z } from 'zod';
import { selectionSchema } from '../../fleet/selection.ts';

export const wavesMax = 64;

const durationMsSchema = z.int().min(1_000).max(31_536_000_000);
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** Of those whom no earlier wave has: a share or a number of whom `where` selects, or all of them. */
const waveSchema = z.strictObject({
  /** How far it goes: with the waves before, this share of whom `where` selects. One that adds nobody is none. */
  reach: z.number().gt(0).max(1).optional(),
  share: z.number().gt(0).max(1).optional(),
  count: z.int().positive().optional(),
  where: selectionSchema.optional(),
  /** Somebody must say yes before it begins. */
  approval: z.boolean().optional(),
});

/**
 * One sign of the model's health, each device's candidate against its own incumbent. `riseMax`: a rise of the share that is
 * no matter. `prove`: the next wave waits until the rise is shown to be less; `watch`: until there are `answersMin` and
 * no harm is shown.
 */
const comparisonSchema = z.strictObject({
  riseMax: z.number().gt(0).max(1),
  need: z.enum(['prove', 'watch']).default('watch'),
  answersMin: z.int().min(1).max(10_000_000).default(100),
});
export type Comparison = z.infer<typeof comparisonSchema>;

/** Of devices, those whose figure is more than `ratioMax` of their incumbent's may be `worseShareMax`. */
const ratioSchema = z.strictObject({
  ratioMax: z.number().gt(1).max(1_000),
  worseShareMax: z.number().gt(0).lt(1),
});
export type RatioLimit = z.infer<typeof ratioSchema>;

export const gateLimitsSchema = z.strictObject({
  /** The chance that a candidate that is no worse in anything is ever called worse, over all waves and looks. */
  delta: z.number().min(1e-6).max(0.2).default(0.05),
  /** Fewer executed devices decide nothing; of the whole rollout. */
  devicesMin: z.int().min(1).max(100_000).default(20),
  /** Of the wave's devices that have begun, those that must have ended. */
  settledShareMin: shareSchema.default(0.9),
  failedShareMax: z.number().gt(0).lt(1).default(0.05),
  /** So many failed devices are too many, whatever their share. */
  failedMax: z.int().positive().optional(),
  /** Of those that answered at all; more stop the rollout, for nothing is broken by them. */
  refusedShareMax: z.number().gt(0).lt(1).default(0.2),
  /** So many answers of one device are looked at, however many it gave. */
  answersPerDeviceMax: z.int().min(1).max(100).default(100),
  /** Failed requests. */
  failures: comparisonSchema.optional(),
  /** Questions that the device was not sure of. */
  escalations: comparisonSchema.optional(),
  /** Escalated ones whose answer by the cloud is another. */
  disagreements: comparisonSchema.optional(),
  /** Confident ones, picked at random, whose answer by the cloud is another: the accuracy, as far as anybody knows it. */
  audits: comparisonSchema.optional(),
  /** Of the answers given beside the incumbent, those that differ from its. */
  shadow: z.strictObject({ differShareMax: z.number().gt(0).lt(1) }).optional(),
  latency: ratioSchema.optional(),
  memory: ratioSchema.optional(),
  /** By how much the share of any one class among the answers may move, up or down. */
  drift: z.strictObject({ moveMax: z.number().gt(0).lt(1) }).optional(),
  onHarm: z.enum(['rollback', 'pause']).default('rollback'),
});
export type GateLimits = z.infer<typeof gateLimitsSchema>;

const deviceRulesSchema = modelAssignmentSchema.pick({
  shadow: true,
  soak: true,
  timeouts: true,
  maintenance: true,
  metered: true,
  experiment: true,
});

export const rolloutPlanSchema = z.strictObject({
  id: nameSchema,
  model: nameSchema,
  version: z.string().min(1).max(64),
  /** Where the version is to be this very bundle. */
  bundle: digestSchema.optional(),
  variant: nameSchema.optional(),
  select: selectionSchema.default({}),
  /** The first is the canary. */
  waves: z.array(waveSchema).min(1).max(wavesMax),
  /** Each wave after these is so many times its predecessor; absent, one last wave holds the rest. */
  growth: z.number().min(1).max(100).optional(),
  approvals: z.enum(['none', 'start', 'each-wave']).default('none'),
  device: deviceRulesSchema,
  herd: z.strictObject({
    fetchesPerMinute: z.int().min(1).max(1_000_000),
    activationsPerMinute: z.int().min(1).max(1_000_000),
  }),
  /** Of each site so many devices are not under update at a time. */
  budget: z.strictObject({ minAvailable: z.int().min(0).max(10_000) }).optional(),
  gate: gateLimitsSchema,
  timeouts: z
    .strictObject({
      /** Who has not taken an assignment by then was not reached, and gets it withdrawn. */
      takeMs: durationMsSchema.default(10 * minuteMs),
      /** What a device may be late beyond its own timeouts before it counts as failed. */
      graceMs: durationMsSchema.default(10 * minuteMs),
      /** A wave without a verdict by then pauses. */
      waveMs: durationMsSchema.default(7 * dayMs),
      /** Without an approval by then the rollout pauses. */
      approvalMs: durationMsSchema.default(7 * dayMs),
      /** A pause that nobody ends by then does what `onPauseEnd` says. */
      pauseMs: durationMsSchema.default(14 * dayMs),
      /** Who has been heard and is not back by then is told again. */
      revertMs: durationMsSchema.default(10 * minuteMs),
      /** A rollback is waited for no longer; who is not back by then is listed, and still told. */
      rollbackMs: durationMsSchema.default(dayMs),
    })
    .prefault({}),
  onPauseEnd: z.enum(['abort', 'rollback']).default('rollback'),
});
export type RolloutPlan = z.infer<typeof rolloutPlanSchema>;
/** As it is written down. */
export type RolloutPlanInput = z.input<typeof rolloutPlanSchema>;
