// A bundle's manifest: everything a device or the cloud must know about a model before it runs its bytes.
// The zod schema is the one source of the type; `manifestSchema.parse` is the border.

import { digestSchema, labelCharsMax, nameSchema, tensorRankMax } from '@skerry/shared';
import { z } from 'zod';
import { datatypes } from '../tensor.ts';
import { calibrationSchema } from './calibration.ts';

const tensorSpecSchema = z.strictObject({
  name: z.string().min(1).max(256),
  datatype: z.enum(datatypes),
  shape: z.array(z.int().min(-1)).max(tensorRankMax),
});

const fileSchema = z.strictObject({
  /** Relative to the manifest, inside its folder. */
  path: z.string().regex(/^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._/-]{0,255}$/),
  bytes: z.int().positive(),
  sha256: digestSchema,
});

/**
 * A contiguous part of the network that one side runs. Stages run in order; `cut` joins one to the next. Of a cascade
 * each stage is a model of its own: it has no cut, and the next takes the bundle's input again.
 */
const stageSchema = z.strictObject({
  name: nameSchema,
  side: z.enum(['edge', 'cloud']),
  inputs: z.array(tensorSpecSchema).min(1),
  outputs: z.array(tensorSpecSchema).min(1),
  /** The output that the next stage takes as its input of the same name. */
  cut: z.string().optional(),
});

const exitSchema = z.strictObject({
  /** 1, 2, … in the order of computation; the last is the whole network. */
  index: z.int().positive(),
  stage: nameSchema,
  /** The stage's output that holds this exit's logits, FP32 [−1, classes]. */
  logits: z.string(),
});

/** Logits at each exit, by exit index, and the largest absolute difference that passes. */
const expectedSchema = z.strictObject({
  logits: z.record(z.string().regex(/^[1-9]\d*$/), z.array(z.number())),
  tolerance: z.number().positive(),
});

const variantSchema = z.strictObject({
  name: nameSchema,
  /** sha256 over the stages' digests, in order, one a line: names the variant's bytes as a whole. */
  digest: digestSchema,
  /** One ONNX file a stage, by the stage's name. */
  files: z.record(nameSchema, fileSchema),
  calibration: calibrationSchema,
  /** What this build gives on the bundle's golden inputs, in their order, where that is not what they say. */
  golden: z.array(expectedSchema).optional(),
  /** Of this build, measured as the card's metrics are. */
  metrics: z.record(z.string(), z.number()).optional(),
});

/** Inputs whose outputs are known: the self-test of a device's own hardware. */
const goldenSchema = expectedSchema.extend({
  input: z.array(z.int()).min(1),
  label: z.int().nonnegative(),
});

export const manifestSchema = z.strictObject({
  schema: z.literal('skerry.bundle/1'),
  name: nameSchema,
  /** Semantic Versioning 2.0.0. */
  version: z.string().regex(/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/),
  /** `tensor`: tensors in, tensors out; nothing is decided, so there are neither labels nor exits. */
  task: z.enum(['image-classification', 'tensor']),
  inputs: z.array(tensorSpecSchema).min(1),
  labels: z.array(z.string().max(labelCharsMax)),
  stages: z.array(stageSchema).min(1),
  exits: z.array(exitSchema),
  /** The first is what runs where nobody names another. */
  variants: z.array(variantSchema).min(1),
  golden: z.array(goldenSchema),
  lineage: z.strictObject({
    /** How to make these bytes again. */
    recipe: z.string(),
    seed: z.int(),
    data: z.array(z.strictObject({ name: z.string(), sha256: digestSchema.optional() })),
  }),
  licence: z.string(),
  card: z.strictObject({
    summary: z.string(),
    intendedUse: z.string(),
    limitations: z.string(),
    /** Measured by the recipe, on data that neither trained nor calibrated it. */
    metrics: z.record(z.string(), z.number()),
  }),
});

export type Manifest = z.infer<typeof manifestSchema>;
export type Variant = Manifest['variants'][number];
export type Stage = Manifest['stages'][number];
export type Exit = Manifest['exits'][number];
