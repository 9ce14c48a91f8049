// What travels in a round of federated learning: a task down, a reply up. Vectors are blobs; what is named here is
// (run, round, client, attempt), so that a reply that comes twice changes nothing.

import { nameSchema } from '@skerry/shared';
import { z } from 'zod';
import { blobRefSchema } from '../blobs/blob.ts';
import { learnPlanBytesMax } from './plan.ts';

const countSchema = z.int().nonnegative();
const shareSchema = z.number().min(0).max(1);

/** Of a stage of secure aggregation that travels in the op itself; what is larger is a blob. */
export const secureBytesMax = 48 * 1024;
export const learnMetricsMax = 64;

const bytesSchema = (max: number) =>
  z.custom<Uint8Array>((v) => v instanceof Uint8Array && v.length <= max, `at most ${max} bytes`);

const namesSchema = z
  .record(z.string().min(1).max(64), z.number())
  .refine((v) => Object.keys(v).length <= learnMetricsMax, 'too many values');

const planSchema = bytesSchema(learnPlanBytesMax);

/** Of secure aggregation, in order; the first goes out with `train`. */
export const secureStages = ['keys', 'shares', 'input', 'consistency', 'unmask'] as const;
export type SecureStage = (typeof secureStages)[number];

/** What the protocol in `secure/` says at a stage; opaque here. */
const securePayloadSchema = z.strictObject({
  type: z.literal('secure'),
  stage: z.enum(secureStages),
  payload: z.union([bytesSchema(secureBytesMax), blobRefSchema]),
});

/** Which round of which run, and which try of it. */
const roundSchema = {
  run: nameSchema,
  round: countSchema,
  attempt: z.int().min(1).max(1_000),
};

/** Down: what the cloud asks of one client. The newest of a run replaces those before it. */
export const learnTaskSchema = z.strictObject({
  kind: z.literal('learn-task'),
  ...roundSchema,
  /** How much of the round's time was left when it was made. */
  deadlineLeftMs: countSchema,
  work: z.discriminatedUnion('type', [
    z.strictObject({
      type: z.literal('train'),
      plan: planSchema,
      /** The model's vector, float32, little-endian. */
      parameters: blobRefSchema,
      /** The server's control variate. */
      control: blobRefSchema.optional(),
      /** The update is masked: what the protocol says first. */
      secure: bytesSchema(secureBytesMax).optional(),
    }),
    z.strictObject({ type: z.literal('evaluate'), plan: planSchema, parameters: blobRefSchema }),
    z.strictObject({ type: z.literal('query'), plan: planSchema, question: nameSchema }),
    securePayloadSchema,
    /**
     * The run is over, and what the device keeps of it may go; or, where it `goesOn`, it is in `round`, and what the
     * device was last asked nobody waits for.
     */
    z.strictObject({
      type: z.literal('end'),
      reason: z.string().max(256),
      goesOn: z.literal(true).optional(),
    }),
  ]),
});
export type LearnTask = z.infer<typeof learnTaskSchema>;

/** Why a device does not take part now. */
export const declineReasons = [
  'busy',
  'not-idle',
  'not-charging',
  'metered',
  'battery',
  'hot',
  'too-few-examples',
  'no-consent',
  'plan-unknown',
  'network-unknown',
  'too-soon',
  'too-late',
  'no-room',
] as const;
export type DeclineReason = (typeof declineReasons)[number];

/** Up: what came of it. */
export const learnReplySchema = z.strictObject({
  kind: z.literal('learn-reply'),
  ...roundSchema,
  result: z.discriminatedUnion('type', [
    z.strictObject({
      type: z.literal('trained'),
      examples: countSchema,
      /** Local steps of gradient descent. */
      steps: countSchema,
      /** The share of the asked work that was done in time. */
      completed: shareSchema,
      /** What the device adds to the model, in the plan's compression. */
      update: blobRefSchema,
      /** Where in the blob what it adds to its control variate begins, compressed alike. */
      controlAt: countSchema.optional(),
      metrics: namesSchema,
    }),
    z.strictObject({ type: z.literal('evaluated'), examples: countSchema, metrics: namesSchema }),
    z.strictObject({ type: z.literal('queried'), examples: countSchema, values: namesSchema }),
    securePayloadSchema,
    z.strictObject({ type: z.literal('declined'), reason: z.enum(declineReasons) }),
    z.strictObject({
      type: z.literal('failed'),
      code: z.string().max(64),
      message: z.string().max(512),
    }),
  ]),
});
export type LearnReply = z.infer<typeof learnReplySchema>;

/** What a device says of itself in its status, by which rounds choose. */
export const learnStatusSchema = z.strictObject({
  /** Versions of a plan, and networks by name, that its runtime can run. */
  plans: z.array(z.int().positive()).max(16),
  networks: z.array(nameSchema).max(32),
  /** By model; how often each label occurs, where that may be told. */
  examples: z
    .array(
      z.strictObject({
        model: nameSchema,
        count: countSchema,
        labels: z.array(countSchema).max(64).optional(),
        /** How far what the model answers has moved from its first answers there: Jensen–Shannon, in bits. */
        drift: shareSchema.optional(),
      }),
    )
    .max(16),
  idle: z.boolean(),
  charging: z.boolean().optional(),
  unmetered: z.boolean().optional(),
  battery: shareSchema.optional(),
  /** Of the processor, degrees Celsius. */
  temperature: z.number().min(-100).max(250).optional(),
  hardwareClass: nameSchema.optional(),
});
export type LearnStatus = z.infer<typeof learnStatusSchema>;
