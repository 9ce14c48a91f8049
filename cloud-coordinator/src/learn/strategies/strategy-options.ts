// How an operator names a strategy and sets it: the border of run plans. Defaults are the papers'.

import { z } from 'zod';

const learningRateSchema = z.number().gt(0).max(1e3);
const betaSchema = z.number().min(0).lt(1);

const mean = {
  weighting: z.enum(['examples', 'uniform']).default('examples'),
  /** A client's own word for its examples counts no further. */
  examplesMax: z.int().min(1).max(1_000_000_000).default(1_000_000),
  /** What of a client that did not do all of the work in time. */
  partialWork: z.enum(['keep', 'drop']).default('keep'),
};
const serverLearningRate = learningRateSchema.default(1);

const adaptive = {
  ...mean,
  serverLearningRate: learningRateSchema.default(0.01),
  /** How far a coordinate that has never moved is from one that has; 0 only to compare with others. */
  tau: z.number().min(0).max(1).default(1e-3),
  secondMomentStart: z.enum(['tau-squared', 'zero']).default('tau-squared'),
};
const moments = {
  ...adaptive,
  beta1: betaSchema.default(0.9),
  beta2: betaSchema.default(0.99),
  biasCorrection: z.enum(['none', 'kingma']).default('none'),
};

/** What a robust rule's update is stepped by; nothing said adds it as it is. */
const server = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('sgd'), learningRate: learningRateSchema.default(1) }),
    z.strictObject({
      kind: z.literal('momentum'),
      learningRate: learningRateSchema.default(1),
      momentum: betaSchema.default(0.9),
      nesterov: z.boolean().default(false),
    }),
    z.strictObject({
      kind: z.enum(['adagrad', 'adam', 'yogi']),
      learningRate: learningRateSchema.default(0.01),
      beta1: betaSchema.default(0.9),
      beta2: betaSchema.default(0.99),
      tau: adaptive.tau,
      secondMomentStart: adaptive.secondMomentStart,
      biasCorrection: moments.biasCorrection,
    }),
  ])
  .default({ kind: 'sgd', learningRate: 1 });

/** A norm, or the median of those who came. */
const bound = z.union([z.literal('median'), z.number().gt(0).max(1e6)]).default('median');

/** f: how many of a round's clients may lie. */
const byzantine = z.int().min(0).max(10_000);

const flatSchemas = [
  z.strictObject({ name: z.literal('fedavg'), ...mean, serverLearningRate }),
  z.strictObject({
    name: z.literal('fedavgm'),
    ...mean,
    serverLearningRate,
    momentum: betaSchema.default(0.9),
    nesterov: z.boolean().default(false),
  }),
  z.strictObject({
    name: z.literal('fedadagrad'),
    ...adaptive,
    /** The paper's Adagrad has no momentum. */
    beta1: betaSchema.default(0),
  }),
  z.strictObject({ name: z.literal('fedadam'), ...moments }),
  z.strictObject({ name: z.literal('fedyogi'), ...moments }),
  z.strictObject({
    name: z.literal('fedprox'),
    ...mean,
    serverLearningRate,
    proximalMu: z.number().gt(0).max(1e3),
  }),
  z.strictObject({
    name: z.literal('fednova'),
    ...mean,
    serverLearningRate,
    localMomentum: betaSchema.default(0),
  }),
  z.strictObject({
    name: z.literal('q-fedavg'),
    partialWork: mean.partialWork,
    q: z.number().min(0).max(100),
    clientLearningRate: learningRateSchema,
  }),
  z.strictObject({
    name: z.literal('scaffold'),
    partialWork: mean.partialWork,
    serverLearningRate,
    /** N: how many clients there are, not how many a round has. */
    clients: z.int().min(1).max(10_000_000),
  }),
  z.strictObject({
    name: z.literal('fedbuff'),
    partialWork: mean.partialWork,
    server,
    bufferSize: z.int().min(1).max(10_000).default(10),
    stalenessExponent: z.number().min(0).max(10).default(0.5),
    stalenessMax: z.int().min(0).max(100_000).default(100),
  }),
  z.strictObject({ name: z.literal('median'), server }),
  z.strictObject({
    name: z.literal('trimmed-mean'),
    server,
    /** At each end. */
    trimShare: z.number().gt(0).lt(0.5),
  }),
  z.strictObject({ name: z.literal('krum'), server, byzantine }),
  z.strictObject({
    name: z.literal('multi-krum'),
    server,
    byzantine,
    keep: z.int().min(1).max(100_000).optional(),
  }),
  z.strictObject({ name: z.literal('bulyan'), server, byzantine }),
  z.strictObject({
    name: z.literal('geometric-median'),
    server,
    iterationsMax: z.int().min(1).max(1_000).default(100),
    tolerance: z.number().gt(0).max(0.1).default(1e-6),
    smoothing: z.number().gt(0).max(0.1).default(1e-6),
  }),
  z.strictObject({
    name: z.literal('centred-clipping'),
    server,
    radius: bound,
    iterations: z.int().min(1).max(100).default(3),
    start: z.enum(['previous', 'median']).default('previous'),
    momentum: betaSchema.default(0),
  }),
  z.strictObject({
    name: z.literal('norm-clipping'),
    server,
    bound,
  }),
] as const;

export const strategyOptionsSchema = z.discriminatedUnion('name', [...flatSchemas]);
export type StrategyOptions = z.infer<typeof strategyOptionsSchema>;
/** As a person writes it: what has a default may be left out. */
export type StrategyOptionsInput = z.input<typeof strategyOptionsSchema>;
