// What can happen to a learning run. The log of these is all that is known of it: who folds it has the state, today and in
// a year, and can say whose updates are in which model. They are read from disk: a border.

import { digestSchema, nameSchema } from '@skerry/shared';
import { blobRefSchema } from '@skerry/sync-protocol/blobs';
import {
  declineReasons,
  learnPlanSchema,
  queryCellsMax,
  queryPlanSchema,
} from '@skerry/sync-protocol/learn';
import { z } from 'zod';
import { maskedStageSchema } from '../masking/index.ts';
import { ledgerEventSchema } from '../privacy/index.ts';
import { tallySchema } from '../queries/index.ts';
import { clientsMax, runPlanSchema } from './run-plan.ts';

const keysCharsMax = 8_192;
/** Of one event: what is more becomes several. */
export const devicesPerEventMax = 500;

const atMsSchema = z.int().nonnegative();
const bySchema = z.string().min(1).max(128);
const reasonSchema = z.string().max(512);
const countSchema = z.int().nonnegative();
const attemptSchema = z.int().min(1).max(1_000);
export const metricsSchema = z.record(z.string().max(128), z.number());
const many = <Item extends z.ZodType>(item: Item) => z.array(item).min(1).max(devicesPerEventMax);

export const workKinds = ['train', 'evaluate', 'query'] as const;
export type WorkKind = (typeof workKinds)[number];

/** The model of a round, as blobs. */
const modelSchema = z.strictObject({
  parameters: blobRefSchema,
  /** The strategy's state, parameters included. */
  state: blobRefSchema,
  /** The server's control variate, where clients are told one. */
  control: blobRefSchema.optional(),
});
export type RoundModel = z.infer<typeof modelSchema>;

const outcomeSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('trained'),
    update: blobRefSchema,
    controlAt: countSchema.optional(),
    examples: countSchema,
    steps: countSchema,
    completed: z.number().min(0).max(1),
    metrics: metricsSchema,
    /** L2, of what was decoded. */
    norm: z.number().nonnegative(),
  }),
  /** It has trained, and shows the keys by which its update will be masked, in base64. */
  z.strictObject({ kind: z.literal('keyed'), keys: z.string().max(keysCharsMax) }),
  z.strictObject({ kind: z.literal('evaluated'), examples: countSchema, metrics: metricsSchema }),
  /** By cell. */
  z.strictObject({ kind: z.literal('queried'), counts: z.array(countSchema).max(queryCellsMax) }),
  /** It came and cannot be used. */
  z.strictObject({
    kind: z.literal('quarantined'),
    reason: reasonSchema,
    update: digestSchema.optional(),
  }),
  z.strictObject({ kind: z.literal('declined'), reason: z.enum(declineReasons) }),
  z.strictObject({ kind: z.literal('failed'), reason: reasonSchema }),
]);
export type Outcome = z.infer<typeof outcomeSchema>;

/** Which device's bytes are in a model, and for how much. */
export const contributionSchema = z.strictObject({
  device: nameSchema,
  round: countSchema,
  attempt: attemptSchema,
  update: digestSchema,
  examples: countSchema,
  used: z.boolean(),
  weight: z.number().optional(),
  score: z.number().optional(),
  /** How near it was to the nearest limit of the screening; above 1 it is quarantined. */
  anomaly: z.number().optional(),
  reason: z.string().max(128).optional(),
});
export type Contribution = z.infer<typeof contributionSchema>;

const spreadSchema = z.strictObject({
  clients: countSchema,
  mean: z.number(),
  std: z.number(),
  worst: z.strictObject({ client: nameSchema, value: z.number() }),
  best: z.strictObject({ client: nameSchema, value: z.number() }),
  worstTenth: z.number(),
});
const group = { clients: countSchema, examples: countSchema, metrics: metricsSchema };
export const evaluationSchema = z.strictObject({
  ...group,
  cohorts: z.record(z.string().max(128), z.strictObject(group)),
  fairness: z.record(z.string().max(128), spreadSchema),
});
export type Evaluation = z.infer<typeof evaluationSchema>;

export const runEventSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('created'),
    atMs: atMsSchema,
    by: bySchema,
    plan: runPlanSchema,
    base: z.strictObject({ version: z.string().max(64), bundle: digestSchema }),
    /** What clients are told; a round may add to it. Of a query none is trained: its layout is that of an answer. */
    learn: learnPlanSchema,
    query: queryPlanSchema.optional(),
    model: modelSchema,
    /** Whether each update is taken when it comes. */
    asynchronous: z.boolean(),
  }),
  z.strictObject({
    kind: z.literal('chosen'),
    atMs: atMsSchema,
    work: z.enum(workKinds),
    round: countSchema,
    attempt: attemptSchema,
    untilMs: atMsSchema,
    /** How many could have been. */
    eligible: countSchema,
    members: many(
      z.strictObject({
        device: nameSchema,
        cohort: z.string().max(128),
        /** Each is told at a moment of its own. */
        tellAtMs: atMsSchema,
      }),
    ),
  }),
  z.strictObject({
    kind: z.literal('replied'),
    atMs: atMsSchema,
    replies: many(
      z.strictObject({
        device: nameSchema,
        /** The op's id, which is given once: what is read twice counts once. */
        op: countSchema,
        round: countSchema,
        attempt: attemptSchema,
        outcome: outcomeSchema,
      }),
    ),
  }),
  /** Time has passed for these. */
  z.strictObject({ kind: z.literal('lapsed'), atMs: atMsSchema, devices: many(nameSchema) }),
  /** What the run waited for has come, or will not. */
  z.strictObject({ kind: z.literal('closed'), atMs: atMsSchema, reason: reasonSchema }),
  /** Where a masked round stands. */
  z.strictObject({
    kind: z.literal('masked'),
    atMs: atMsSchema,
    round: countSchema,
    attempt: attemptSchema,
    record: maskedStageSchema,
  }),
  /** There is a next model, or the strategy has taken updates in and waits for more. */
  z.strictObject({
    kind: z.literal('aggregated'),
    atMs: atMsSchema,
    round: countSchema,
    attempt: attemptSchema,
    model: modelSchema,
    /** Whether the parameters are new. */
    changed: z.boolean(),
    contributions: z.array(contributionSchema).max(clientsMax),
    deltaNorm: z.number(),
    stepNorm: z.number(),
    metrics: metricsSchema,
    /** Of a private round: the clip of the next one, and the noise in each number of the mean. */
    clip: z.number().gt(0).optional(),
    noiseSigma: z.number().nonnegative().optional(),
    /** Of a masked one: z of its sum, with the noise of all who are in it; what is paid for is that of the fewest. */
    noiseMultiplier: z.number().positive().optional(),
  }),
  ledgerEventSchema,
  /** There is no privacy left for another round. */
  z.strictObject({ kind: z.literal('spent'), atMs: atMsSchema, reason: reasonSchema }),
  z.strictObject({
    kind: z.literal('evaluated'),
    atMs: atMsSchema,
    round: countSchema,
    federated: evaluationSchema.optional(),
    central: metricsSchema.optional(),
  }),
  /** What a query has come to. */
  z.strictObject({
    kind: z.literal('tallied'),
    atMs: atMsSchema,
    attempt: attemptSchema,
    tally: tallySchema,
  }),
  /** The candidate is in the registry. */
  z.strictObject({
    kind: z.literal('published'),
    atMs: atMsSchema,
    version: z.string().max(64),
    manifest: blobRefSchema,
    /** End to end, on held-out examples: the base's accuracy and its own. */
    before: z.number(),
    after: z.number(),
  }),
  z.strictObject({ kind: z.literal('rolled-out'), atMs: atMsSchema, rollout: nameSchema }),
  /** An operator's word. */
  z.strictObject({
    kind: z.literal('stopped'),
    atMs: atMsSchema,
    by: bySchema,
    reason: reasonSchema,
  }),
  z.strictObject({ kind: z.literal('failed'), atMs: atMsSchema, reason: reasonSchema }),
]);
export type RunEvent = z.infer<typeof runEventSchema>;
export type RunEventOf<Kind extends RunEvent['kind']> = Extract<RunEvent, { kind: Kind }>;
