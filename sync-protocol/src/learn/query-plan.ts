// What a client shall count in a run that asks and trains nothing: how many of its examples are in each cell of a question.
// Every question is a histogram, so that answers of many add up, in the clear as behind masks. It travels where a learning
// plan does, as JSON bytes, and its versions are of the same row: a device says in its status which it knows.

import { digestSchema, err, failure, labelCharsMax, nameSchema, type Result } from '@skerry/shared';
import { z } from 'zod';
import { learnPlanBytesMax, learnPlanVersions, readVersioned } from './plan.ts';
import { type SecurePlan, securePlanSchema } from './secure/secure-plan.ts';

/** 3: labels. 4: also what inputs measure. */
const queryPlanVersions = [3, 4] as const;
/** All that this build can be asked, for its status. */
export const planVersionsKnown: readonly number[] = [...learnPlanVersions, ...queryPlanVersions];

/** As many as a reply has values. */
export const queryCellsMax = 64;

export const inputsQuestionSchema = z
  .strictObject({
    kind: z.literal('inputs'),
    /** Of all numbers of an input, as the model takes them. */
    measure: z.enum(['mean', 'deviation']),
    /** From `from` to `to` in so many bins of one width; what lies beyond is in the first or the last. */
    from: z.number().min(-1e9).max(1e9),
    to: z.number().min(-1e9).max(1e9),
    bins: z.int().min(2).max(queryCellsMax),
  })
  .refine(
    ({ from, to }) => to - from > 1e-6 * Math.max(Math.abs(from), Math.abs(to)),
    'bins from a number to one that is larger by a millionth and more',
  );

const labelsQuestionSchema = z.strictObject({
  kind: z.literal('labels'),
  /** By name: another version of the model may count its classes otherwise. */
  labels: z
    .array(z.string().min(1).max(labelCharsMax))
    .min(1)
    .max(queryCellsMax)
    .refine((labels) => new Set(labels).size === labels.length, 'a label twice'),
});

export const queryPlanSchema = z.strictObject({
  version: z.literal(queryPlanVersions),
  model: nameSchema,
  /** The bundle that the question is about. */
  base: digestSchema,
  question: z.discriminatedUnion('kind', [labelsQuestionSchema, inputsQuestionSchema]),
  /** So many of a device count at most, drawn from all. */
  examplesMax: z.int().min(1).max(1_000_000),
  seed: z.int().nonnegative(),
  /** The answer is masked: nobody but its device sees it. */
  secure: securePlanSchema.optional(),
});
export type QueryPlan = z.infer<typeof queryPlanSchema>;
export type Question = QueryPlan['question'];

/** The oldest that can say it. */
export const queryPlanVersionOf = ({ kind }: Question): QueryPlan['version'] =>
  kind === 'labels' ? 3 : 4;

export const cellsOf = (question: Question): number =>
  question.kind === 'labels' ? question.labels.length : question.bins;

/** The name of a cell in a reply. */
export const cellName = (cell: number): string => `cell-${cell}`;

/**
 * What is masked of an answer: its counts, and behind them, for each cell, whether it has any, so that who opens the sum knows
 * of how many devices a cell is. Where devices add noise it is what hides them, and counts are all.
 */
export const maskedAnswer = (
  counts: readonly number[],
  { encoding }: Pick<SecurePlan, 'encoding'>,
): Float32Array<ArrayBuffer> =>
  encoding.kind === 'noised'
    ? Float32Array.from(counts)
    : Float32Array.from([...counts, ...counts.map((count) => Number(count > 0))]);

export const queryPlanBytes = (plan: QueryPlan): Uint8Array =>
  new TextEncoder().encode(JSON.stringify(plan));

/** Fails with `unsupported_version`, or with `malformed_message`. */
export const readQueryPlan = (bytes: Uint8Array): Result<QueryPlan> =>
  bytes.length > learnPlanBytesMax
    ? err(failure('malformed_message', `a query of ${bytes.length} bytes`))
    : readVersioned(bytes, 'query', queryPlanSchema, queryPlanVersions);
