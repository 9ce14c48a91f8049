// What an operator asks for when a fleet shall learn: of which model, on whose examples, by which strategy, how many rounds,
// and how long each part may take. The API's border; nothing of it changes while the run lasts.

import { nameSchema, shareSchema } from '@skerry/shared';
import { blobRefSchema } from '@skerry/sync-protocol/blobs';
import { compressionSchema, learnPlanSchema } from '@skerry/sync-protocol/learn';
import { z } from 'zod';
import { selectionSchema } from '../../fleet/selection.ts';
import { rolloutPlanSchema } from '../../update/rollouts/index.ts';
import { maskingSchema } from '../masking/index.ts';
import {
  centralPrivacySchema,
  distributedPrivacySchema,
  privacyBudgetSchema,
} from '../privacy/index.ts';
import { askedQuerySchema } from '../queries/index.ts';
import { screenLimitsSchema } from '../screen-update.ts';
import { strategyOptionsSchema } from '../strategies/index.ts';

/** Of one attempt: whose updates are in a model is said in one event. */
export const clientsMax = 5_000;
export const roundsMax = 10_000;

const durationMsSchema = z.int().min(1_000).max(31_536_000_000);
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

const { shape } = learnPlanSchema;

/** The work of one client. */
const workSchema = z.strictObject({
  epochs: shape.epochs.default(1),
  batch: shape.batch.default(10),
  learningRate: shape.learningRate.default(0.05),
  momentum: shape.momentum,
  clipNorm: shape.clipNorm,
  localNoise: shape.localNoise,
  examplesMin: shape.examplesMin.default(10),
  examplesMax: shape.examplesMax.default(10_000),
  holdOut: shape.holdOut.default(0.2),
  compression: compressionSchema.default({ kind: 'none' }),
  /** Tensors that never leave a device. */
  personal: shape.personal,
});

const clientsSchema = z
  .strictObject({
    /** A round is over when so many have answered. */
    target: z.int().min(1).max(clientsMax),
    /** With fewer at its deadline an attempt has failed. */
    min: z.int().min(1).max(clientsMax),
    /** So many times the target are asked, for some will not answer. Asynchronous: so many are at work at once. */
    overSelect: z.number().min(1).max(10).default(1.3),
  })
  .refine(({ target, min }) => min <= target, 'a minimum above the target');

/** Who may be asked. What a device does not say of itself counts as fulfilled only where nothing is asked. */
const eligibilitySchema = z.strictObject({
  idle: z.boolean().default(true),
  charging: z.boolean().default(false),
  unmetered: z.boolean().default(false),
  batteryMin: shareSchema.optional(),
  temperatureMax: z.number().min(-50).max(150).optional(),
  hardwareClasses: z.array(nameSchema).min(1).max(64).optional(),
  /** Between two rounds of one device. */
  separationMs: z.int().min(0).max(31_536_000_000).default(0),
});

const evaluateSchema = z.strictObject({
  /** After each so many rounds, and after the last. */
  everyRounds: z.int().min(1).max(roundsMax).default(1),
  /** None: the coordinator alone measures, on what the operator has held out. */
  clients: z.int().min(0).max(clientsMax),
  /** What a part of the fleet is told apart by. */
  cohort: z.enum(['site', 'target', 'hardware-class']).default('site'),
});

/** Examples that nobody trains on: two IDX files, of images and of their labels. */
const heldOutSchema = z.strictObject({ images: blobRefSchema, labels: blobRefSchema });

/** What becomes of a run that is completed: a version in the registry, which needs the signatures that every version needs. */
const candidateSchema = z.strictObject({
  /** Absent: the base's next minor version. */
  version: z
    .string()
    .regex(/^\d+\.\d+\.\d+$/, 'expected a version such as 1.1.0')
    .optional(),
  /** Of the base's variants beside the first, those to be made; absent: all. */
  variants: z.array(nameSchema).max(16).optional(),
  /** How much of the base's accuracy on held-out examples it may lose. */
  accuracyDropMax: shareSchema.default(0.01),
  /** Rolled out as soon as it is signed, without anybody's further word: the gates decide. */
  rollOut: rolloutPlanSchema
    .omit({ id: true, model: true, version: true, bundle: true })
    .optional(),
});

const timeoutsSchema = z
  .strictObject({
    /** A round waits so long for its full number, then it begins with what is enough. */
    gatherMs: z.int().min(0).max(dayMs).default(30_000),
    /** Without enough devices by then the attempt has failed. */
    selectMs: durationMsSchema.default(dayMs),
    roundMs: durationMsSchema.default(hourMs),
    evaluateMs: durationMsSchema.default(hourMs),
    /** Of the coordinator's own part: aggregating, publishing. */
    finishMs: durationMsSchema.default(10 * minuteMs),
    /** Without a signature by then the candidate is not rolled out. */
    signMs: durationMsSchema.default(14 * dayMs),
  })
  .prefault({});

export const runPlanSchema = z.strictObject({
  id: nameSchema,
  model: nameSchema,
  /** The version that it begins from, or an alias of it. */
  base: z.string().min(1).max(64),
  /** A network that the devices' runtime knows; absent: the graph of the base. */
  network: nameSchema.optional(),
  trains: shape.trains.default('all'),
  /** Instead of training: what of their examples devices count, once. */
  query: askedQuerySchema.optional(),
  strategy: strategyOptionsSchema.prefault({ name: 'fedavg' }),
  rounds: z.int().min(1).max(roundsMax),
  clients: clientsSchema,
  /** `poisson`: each that is eligible with this chance, independently, as the privacy accountant assumes. */
  sampling: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('uniform') }),
      z.strictObject({ kind: z.literal('poisson'), share: shareSchema }),
    ])
    .default({ kind: 'uniform' }),
  select: selectionSchema.default({}),
  eligibility: eligibilitySchema.prefault({}),
  work: workSchema.prefault({}),
  evaluate: evaluateSchema.optional(),
  /** Nobody sees an update, the coordinator neither: only what at least so many have added up to. */
  masking: maskingSchema.optional(),
  /** What an update must keep within, and how far it may be from the others. */
  screen: screenLimitsSchema.prefault({ cosineMin: -1 }),
  heldOut: heldOutSchema.optional(),
  /** Noise in each model, and how much of privacy the run may spend. */
  privacy: z
    .strictObject({
      /** The coordinator adds it. */
      central: centralPrivacySchema.optional(),
      /** Devices add it, before they mask. */
      distributed: distributedPrivacySchema.optional(),
      budget: privacyBudgetSchema,
    })
    .refine(
      ({ central, distributed }) => (central === undefined) !== (distributed === undefined),
      'either central or distributed',
    )
    .optional(),
  candidate: candidateSchema.optional(),
  timeouts: timeoutsSchema,
  /** Of one round; after so many the run has failed. */
  attemptsMax: z.int().min(1).max(100).default(3),
  /** How many devices are told in a minute: they fetch the model when they are. */
  tellsPerMinute: z.int().min(1).max(1_000_000).default(600),
  seed: z.int().nonnegative().max(0xffff_ffff).default(1),
});
export type RunPlan = z.infer<typeof runPlanSchema>;
/** As it is written down. */
export type RunPlanInput = z.input<typeof runPlanSchema>;
