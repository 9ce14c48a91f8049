// What an operator asks of a fleet's examples instead of training on them, and what becomes of it: the query that devices are
// sent, and in the run's log a vector of counts, where another run has a network's.

import { err, failure, ok, type Result } from '@skerry/shared';
import {
  cellsOf,
  inputsQuestionSchema,
  type ParameterLayout,
  type QueryPlan,
  type Question,
  queryCellsMax,
  queryPlanVersionOf,
} from '@skerry/sync-protocol/learn';
import { z } from 'zod';

export const askedQuerySchema = z.strictObject({
  question: z.discriminatedUnion('kind', [
    /** How many examples there are of each label of the base. */
    z.strictObject({ kind: z.literal('labels') }),
    inputsQuestionSchema,
  ]),
  /** What devices are told apart by; absent: all are told of together. */
  cohort: z.enum(['site', 'target', 'hardware-class']).optional(),
});
export type AskedQuery = z.infer<typeof askedQuerySchema>;

/** Of two devices each knows what the other has said. */
const devicesFloor = 3;

/** What a query's run says of itself. */
interface QueryRun {
  readonly query: AskedQuery;
  readonly rounds: number;
  readonly clients: { readonly min: number };
  readonly sampling: { readonly kind: string };
  readonly masking?: unknown;
  readonly network?: unknown;
  readonly evaluate?: unknown;
  readonly heldOut?: unknown;
  readonly privacy?: { readonly central?: unknown } | undefined;
  readonly candidate?: unknown;
}

/** Why it could never be answered. */
export function obstaclesToQuery(run: QueryRun): readonly string[] {
  const { query, rounds, clients, sampling, masking } = run;
  const obstacles: string[] = [];
  if (clients.min < devicesFloor)
    obstacles.push(`a query of ${clients.min} devices tells of one; ${devicesFloor} at least`);
  // What is asked again and again is told apart by who came in between.
  if (rounds !== 1) obstacles.push('a query has one round');
  if (sampling.kind !== 'uniform') obstacles.push('a query asks a number of devices');
  if (masking !== undefined && query.cohort !== undefined)
    obstacles.push('a masked query has one sum, and no cohorts');
  if (run.privacy?.central !== undefined)
    obstacles.push('noise in a query is of its devices: privacy is distributed');
  const idle = (['network', 'evaluate', 'heldOut', 'candidate'] as const).filter(
    (part) => run[part] !== undefined,
  );
  if (idle.length > 0) obstacles.push(`a query trains nothing: it has no ${idle.join(', no ')}`);
  return obstacles;
}

/** Fails with `invalid_argument` for a base without labels, or with more than an answer has cells. */
export function questionOf({ question }: AskedQuery, labels: readonly string[]): Result<Question> {
  if (question.kind === 'inputs') return ok(question);
  if (labels.length === 0 || labels.length > queryCellsMax)
    return err(
      failure(
        'invalid_argument',
        `the base has ${labels.length} labels, not 1 to ${queryCellsMax}`,
      ),
    );
  return ok({ kind: 'labels', labels: [...labels] });
}

export function queryPlanOf(
  question: Question,
  of: Pick<QueryPlan, 'model' | 'base' | 'examplesMax' | 'seed'>,
): QueryPlan {
  return { version: queryPlanVersionOf(question), question, ...of };
}

/** For a person. */
export function cellNamesOf(question: Question): readonly string[] {
  if (question.kind === 'labels') return question.labels;
  const { from, to, bins } = question;
  const edge = (bin: number): string =>
    `${Number((from + (bin * (to - from)) / bins).toPrecision(10))}`;
  return Array.from({ length: bins }, (_, bin) => `${edge(bin)}…${edge(bin + 1)}`);
}

/** Where a run that learns has a network: noughts, one for each number of an answer. With `hasHolders` each cell has those, too. */
export function queryBaseOf(
  question: Question,
  hasHolders: boolean,
): {
  readonly network: { readonly kind: 'named'; readonly name: string };
  readonly layout: ParameterLayout;
  readonly parameters: Float32Array<ArrayBuffer>;
} {
  const size = cellsOf(question) * (hasHolders ? 2 : 1);
  return {
    network: { kind: 'named', name: 'query' },
    layout: { tensors: [{ name: 'answer', shape: [size] }] },
    parameters: new Float32Array(size),
  };
}
