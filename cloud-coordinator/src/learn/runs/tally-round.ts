// What a query has come to, from what its devices have answered: in the clear, or from the sum that masks left.

import { assert } from '@skerry/shared';
import { cellsOf } from '@skerry/sync-protocol/learn';
import {
  cellNamesOf,
  quantilesOf,
  type Tally,
  tallyAnswers,
  tallyNoised,
  tallySum,
} from '../queries/index.ts';
import type { RunEventOf } from './run-event.ts';
import type { RunState } from './run-state.ts';

export function tallyRound(state: RunState, atMs: number): RunEventOf<'tallied'> {
  const { query, plan, members } = state;
  assert(query !== undefined, 'a query’s run has one');
  const answers = [...members.values()].flatMap(({ cohort, progress }) =>
    progress.kind === 'queried' ? [{ cohort, counts: progress.counts }] : [],
  );
  // Not told apart: all are of one cohort, and of that nothing is said.
  const told =
    plan.query?.cohort === undefined ? answers.map((a) => ({ ...a, cohort: '' })) : answers;
  return tallied(state, tallyAnswers(cellNamesOf(query.question), told, plan.clients.min), atMs);
}

/**
 * @param totals of all answers: counts, and behind them the holders of each cell, where there is no noise
 * @param noiseSigma of each count, if there is any
 */
export function tallyMasked(
  state: RunState,
  totals: Float64Array,
  devices: number,
  noiseSigma: number | undefined,
  atMs: number,
): RunEventOf<'tallied'> {
  const { query, plan } = state;
  assert(query !== undefined, 'a query’s run has one');
  const cells = cellsOf(query.question);
  const names = cellNamesOf(query.question);
  const { min } = plan.clients;
  if (noiseSigma !== undefined) {
    const sum = { devices, counts: [...totals] };
    return tallied(state, tallyNoised(names, sum, noiseSigma, min), atMs);
  }
  const whole = Array.from(totals, (total) => Math.max(0, Math.round(total)));
  const sum = { devices, counts: whole.slice(0, cells), holders: whole.slice(cells) };
  return tallied(state, tallySum(names, sum, min), atMs);
}

function tallied({ phase, query }: RunState, tally: Tally, atMs: number): RunEventOf<'tallied'> {
  assert(phase.kind === 'aggregating' && query !== undefined, 'what has come is put together');
  const { withheld, whole } = tally;
  const counts = cellNamesOf(query.question).map((name) => whole.counts[name] ?? 0);
  const quantiles = withheld.length === 0 ? quantilesOf(query.question, counts) : undefined;
  return {
    kind: 'tallied',
    atMs,
    attempt: phase.attempt,
    tally: quantiles === undefined ? tally : { ...tally, quantiles },
  };
}
