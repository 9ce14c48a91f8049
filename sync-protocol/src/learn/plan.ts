// What a client shall do in a run, the same for all its rounds. It travels as JSON bytes inside a task, so that a device
// which does not know a later version of it can say so, and take the rest of the message all the same.

import {
  describeIssues,
  digestSchema,
  err,
  failure,
  nameSchema,
  ok,
  parseJson,
  type Result,
} from '@skerry/shared';
import { z } from 'zod';
import { parameterLayoutSchema } from './parameter-layout.ts';

/**
 * The plans that this build understands; a device says them in its status. 1: a network by its name, whole. 2: also the graph
 * of the base, whole or its head alone. Later ones are of queries: query-plan.ts.
 */
export const learnPlanVersions = [1, 2] as const;
export const learnPlanBytesMax = 48 * 1024;

export const compressionSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('none') }),
  /** Stochastic and unbiased; 2 bits are the signs and zero, at the tensor's largest value. */
  z.strictObject({
    kind: z.literal('quantize'),
    bits: z.union([z.literal(8), z.literal(4), z.literal(2)]),
  }),
  /** The largest alone; what was left out is added to the next update of that device. */
  z.strictObject({
    kind: z.literal('top-k'),
    share: z.number().gt(0).max(1),
    errorFeedback: z.boolean(),
  }),
]);
export type Compression = z.infer<typeof compressionSchema>;

const rateSchema = z.number().gt(0).max(1e3);

export const learnPlanSchema = z.strictObject({
  version: z.literal(learnPlanVersions),
  model: nameSchema,
  /**
   * The bundle that the run began from. Where the plan names a network, whoever runs another one trains all the same, on what
   * the task brings.
   */
  base: digestSchema,
  /**
   * What is trained: a network that the runtime knows by name, or the graph of the base bundle's one stage on the device,
   * whose bytes are signed. A graph of the coordinator's own is never run.
   */
  network: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('named'), name: nameSchema }),
    z.strictObject({
      kind: z.literal('bundle'),
      variant: nameSchema,
      /** Of that variant: who runs any other has not its bytes. */
      digest: digestSchema,
    }),
  ]),
  /** `head`: of the base's graph; the rest stays as it is there, and no update has it. */
  trains: z.enum(['all', 'head']),
  layout: parameterLayoutSchema,
  /** Tensors that never leave the device: each keeps its own. */
  personal: z.array(z.string().max(128)).max(64).optional(),
  epochs: z.int().min(1).max(100),
  batch: z.int().min(1).max(4_096),
  learningRate: rateSchema,
  momentum: z.number().min(0).lt(1).optional(),
  /** FedProx (arXiv 1812.06127): the pull towards what the round began from. */
  proximalMu: z.number().min(0).max(1e3).optional(),
  /** SCAFFOLD (arXiv 1910.06378): the client keeps a control variate, and the task brings the server's. */
  controlVariates: z.boolean().optional(),
  /** q-FedAvg (arXiv 1905.10497): the loss of the model as it came is told too, on the examples that are trained on. */
  startLoss: z.boolean().optional(),
  /** The L2 norm to which an update is clipped on the device. */
  clipNorm: z.number().gt(0).max(1e6).optional(),
  /** Of the local mechanism, in multiples of `clipNorm`. */
  localNoise: z.number().gt(0).max(1e3).optional(),
  compression: compressionSchema,
  /** Fewer examples do not train; of more so many are drawn. */
  examplesMin: z.int().min(1).max(1_000_000),
  examplesMax: z.int().min(1).max(1_000_000),
  /** The share of a device's examples that is not trained on, but evaluated with. */
  holdOut: z.number().min(0).max(0.9),
  seed: z.int().nonnegative(),
});
export type LearnPlan = z.infer<typeof learnPlanSchema>;

/** The oldest that can say this, so that devices of older builds take part where they can. */
export const learnPlanVersionOf = ({
  network,
  trains,
}: Pick<LearnPlan, 'network' | 'trains'>): LearnPlan['version'] =>
  network.kind === 'bundle' || trains === 'head' ? 2 : 1;

export const learnPlanBytes = (plan: LearnPlan): Uint8Array =>
  new TextEncoder().encode(JSON.stringify(plan));

const versionSchema = z.looseObject({ version: z.int().positive() });

/** Fails with `unsupported_version`, or with `malformed_message`. */
export const readLearnPlan = (bytes: Uint8Array): Result<LearnPlan> =>
  readVersioned(bytes, 'learning plan', learnPlanSchema, learnPlanVersions);

/** JSON that says first in which version it is written. Fails with `unsupported_version`, or with `malformed_message`. */
export function readVersioned<Schema extends z.ZodType>(
  bytes: Uint8Array,
  what: string,
  schema: Schema,
  versions: readonly number[],
): Result<z.output<Schema>> {
  const json = parseJson(bytes, what, 'malformed_message');
  if (!json.ok) return json;
  const { success, data } = versionSchema.safeParse(json.value);
  if (success && !versions.includes(data.version))
    return err(failure('unsupported_version', `a ${what} of version ${data.version}`));
  const parsed = schema.safeParse(json.value);
  if (parsed.success) return ok(parsed.data);
  return err(failure('malformed_message', describeIssues(parsed.error, `the ${what}`)));
}
