// Learning runs as the API shows them: where each stands and why, what each round has come to, and whose updates are in it.

import { digestSchema, nameSchema } from '@skerry/shared';
import { blobRefSchema } from '@skerry/sync-protocol/blobs';
import { layoutSize } from '@skerry/sync-protocol/learn';
import { z } from 'zod';
import { stateOf } from '../learn/privacy/index.ts';
import { tallySchema } from '../learn/queries/index.ts';
import {
  type Contribution,
  contributionSchema,
  countsOf,
  evaluationSchema,
  metricsSchema,
  type RoundSummary,
  type RunState,
  workKinds,
} from '../learn/runs/index.ts';

const countSchema = z.int().nonnegative();
/** In the view of a run; the others are asked for by page. */
const roundsShownMax = 200;

const phaseSchema = z.object({
  kind: z.enum([
    'selecting',
    'training',
    'evaluating',
    'querying',
    'aggregating',
    'publishing',
    'releasing',
    'completed',
    'stopped',
    'failed',
  ]),
  work: z.enum(workKinds).optional(),
  round: countSchema.optional().describe('how many models came before it'),
  attempt: countSchema.optional(),
  sinceMs: countSchema,
  untilMs: countSchema.optional().describe('it ends by then, if by nothing else'),
  reason: z.string().optional(),
  by: z.string().optional(),
});

export const runSummarySchema = z.object({
  id: nameSchema,
  model: nameSchema,
  base: z.object({ version: z.string(), bundle: digestSchema }),
  strategy: z.string(),
  createdMs: countSchema,
  by: z.string(),
  phase: phaseSchema,
  round: countSchema.describe('rounds that are done'),
  rounds: countSchema.describe('that there shall be'),
  reasons: z.array(z.string()).describe('why it stands where it stands, for a person'),
});
export type RunSummary = z.infer<typeof runSummarySchema>;

export const roundSchema = z.object({
  round: countSchema.describe('of the model that it made: the first is 1'),
  atMs: countSchema,
  attempts: countSchema,
  clients: countSchema,
  used: countSchema,
  quarantined: countSchema,
  deltaNorm: z.number(),
  stepNorm: z.number(),
  metrics: metricsSchema.describe('as the clients say, of the model before it'),
  federated: evaluationSchema.optional().describe('as devices have measured it'),
  central: metricsSchema.optional().describe('as the coordinator has measured it'),
  epsilon: z.number().optional().describe('of privacy, spent up to and with it'),
  noiseMultiplier: z
    .number()
    .optional()
    .describe(
      'of a masked private round: z of its sum, of which ε counts that of the fewest devices',
    ),
});

export const runViewSchema = runSummarySchema.extend({
  learns: z.string().describe('what of the model is trained; of a query, what it is of'),
  clients: z.record(z.string(), countSchema).describe('who is asked now, by what came of it'),
  candidate: z
    .object({
      version: z.string(),
      manifest: blobRefSchema,
      before: z.number().describe('the base’s accuracy on held-out examples'),
      after: z.number(),
      rollout: nameSchema.optional(),
    })
    .optional(),
  privacy: z
    .object({
      epsilon: z.number(),
      delta: z.number(),
      epsilonMax: z.number(),
      conversion: z.string(),
      released: countSchema.describe('models that were made with noise'),
      clip: z.number(),
    })
    .optional()
    .describe('what is spent'),
  answer: tallySchema
    .optional()
    .describe('to a query: how many examples are in each cell that enough devices are in'),
  parameters: blobRefSchema.describe('the present model as a vector of float32'),
  latest: z.array(roundSchema).max(roundsShownMax),
});
export type RunView = z.infer<typeof runViewSchema>;

export const runListSchema = z.object({ runs: z.array(runSummarySchema) });
export const roundsSchema = z.object({ rounds: z.array(roundSchema) });
export const contributionsSchema = z.object({
  run: nameSchema,
  round: countSchema,
  contributions: z.array(contributionSchema),
});

export function runSummaryOf(state: RunState, reasons: readonly string[]): RunSummary {
  const { plan, base, createdMs, by, phase, round } = state;
  return {
    id: plan.id,
    model: plan.model,
    base,
    strategy: plan.query === undefined ? plan.strategy.name : 'query',
    createdMs,
    by,
    phase: phaseSchema.parse(phase),
    round,
    rounds: plan.rounds,
    reasons: [...reasons],
  };
}

export const runDetailsOf = (state: RunState): Omit<RunView, keyof RunSummary> => ({
  learns: learnedPart(state),
  clients: { ...countsOf(state) },
  ...privacyOf(state),
  ...(state.candidate === undefined ? {} : { candidate: state.candidate }),
  ...(state.tally === undefined ? {} : { answer: state.tally }),
  parameters: state.model.parameters,
  latest: state.history.slice(-roundsShownMax).map(roundOf),
});

function learnedPart({ learn: { network, trains, layout }, query }: RunState): string {
  if (query !== undefined) return `of ${query.question.kind}`;
  const what =
    network.kind === 'named'
      ? `network ${network.name}`
      : `${trains === 'head' ? 'the head' : 'all'} of the ${network.variant} graph on devices`;
  return `${what}, ${layoutSize(layout)} numbers`;
}

function privacyOf({ privacy }: RunState): Pick<RunView, 'privacy'> {
  if (privacy === undefined) return {};
  const { epsilon, delta, epsilonMax, conversion, released } = stateOf(privacy.ledger);
  const { clip } = privacy;
  return { privacy: { epsilon, delta, epsilonMax, conversion, released, clip } };
}

export const roundOf = (summary: RoundSummary): z.infer<typeof roundSchema> =>
  roundSchema.parse(summary);

export const contributionsOf = (
  run: string,
  round: number,
  contributions: readonly Contribution[],
) => ({ run, round, contributions: [...contributions] });
