// A section of the bars: its trials, what is read off each, and what must hold; and how all that is printed.

import { renderTable } from '../bench/table.ts';
import type { Trial, TrialPoint, TrialResult } from './trial.ts';
import { bestOf, meanOfLast, whenReached } from './when-reached.ts';

export interface Section {
  readonly about: string;
  readonly trials: readonly Trial[];
  readonly lines: readonly Line[];
  readonly bars: readonly Bar[];
}

/** A row of the table: one figure for each seed, and the published or earlier one beside it. */
export interface Line {
  readonly what: string;
  readonly trial: string;
  readonly figure: Figure;
  readonly reference: string;
}

export interface Figure {
  of(result: TrialResult): number | undefined;
  format(value: number): string;
}

export interface Bar {
  readonly claim: string;
  /** Of one seed, whose results are asked for by the trial's name. */
  holds(of: (trial: string) => TrialResult): boolean;
}

const accuracies = ({ points }: TrialResult): number[] => points.map(({ accuracy }) => accuracy);
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** When the accuracy has reached `target`, counted in what `at` says of a point. */
const until = (
  target: number,
  at: (point: TrialPoint) => number,
  format: (value: number) => string,
): Figure => ({
  of: ({ points }) =>
    whenReached(
      target,
      points.map((point) => ({ at: at(point), value: point.accuracy })),
    ),
  format,
});

export const figures = {
  roundsTo: (target: number) =>
    until(
      target,
      ({ round }) => round,
      (rounds) => rounds.toFixed(1),
    ),
  timeTo: (target: number) =>
    until(
      target,
      ({ atTime }) => atTime,
      (time) => time.toFixed(1),
    ),
  updatesTo: (target: number) =>
    until(
      target,
      ({ updates }) => updates,
      (updates) => updates.toFixed(0),
    ),
  best: { of: (result) => bestOf(accuracies(result)), format: percent },
  /** A run that diverged ends with a model that is a guess at best: as good as none. */
  last5: {
    of: (result) => (result.diverged === undefined ? meanOfLast(5, accuracies(result)) : 0),
    format: (share) => (share === 0 ? 'diverged' : percent(share)),
  },
  megabytes: {
    of: ({ points }) => (points.at(-1)?.bytesUp ?? 0) / 1e6,
    format: (megabytes) => megabytes.toFixed(1),
  },
  /** Of a model that has learned something before its first round. */
  before: {
    of: ({ points: [first] }) => (first?.round === 0 ? first.accuracy : undefined),
    format: percent,
  },
  kilobytesEach: {
    of({ points }) {
      const { bytesUp = 0, updates = 1 } = points.at(-1) ?? {};
      return bytesUp / 1e3 / updates;
    },
    format: (kilobytes) => kilobytes.toFixed(1),
  },
  roundMs: { of: ({ roundMs }) => roundMs, format: (ms) => `${ms.toFixed(0)} ms` },
  staleness: { of: ({ staleness }) => staleness?.mean, format: (mean) => mean.toFixed(1) },
} as const satisfies Record<string, Figure | ((target: number) => Figure)>;

export const figureOf = (figure: Figure, result: TrialResult): number =>
  figure.of(result) ?? Number.POSITIVE_INFINITY;

export type Results = ReadonlyMap<string, ReadonlyMap<number, TrialResult>>;

export interface RenderedSection {
  readonly text: string;
  readonly kept: boolean;
}

export function renderSection(
  section: Section,
  seeds: readonly number[],
  results: Results,
): RenderedSection {
  const rows = section.lines.map(({ what, trial, figure, reference }) => [
    what,
    ...seeds.map((seed) => cell(figure, results.get(trial)?.get(seed))),
    reference,
  ]);
  const bars = section.bars.map((bar) => weigh(bar, seeds, results));
  const table = renderTable(['', ...seeds.map((seed) => `seed ${seed}`), 'reference'], rows);
  const text = [table, ...bars.map(({ line }) => line)].join('\n');
  return { text, kept: bars.every(({ kept }) => kept) };
}

function cell(figure: Figure, result: TrialResult | undefined): string {
  if (result === undefined) return '–';
  const value = figure.of(result);
  return value === undefined ? `not in ${result.points.at(-1)?.round ?? 0}` : figure.format(value);
}

/** A bar that nobody could weigh is not kept. */
function weigh({ claim, holds }: Bar, seeds: readonly number[], results: Results) {
  const missing = new Set<number>();
  const verdicts = seeds.map((seed) => {
    const holdsHere = holds((trial) => {
      const result = results.get(trial)?.get(seed);
      if (result === undefined) missing.add(seed);
      return result ?? nothing;
    });
    return { seed, holds: holdsHere && !missing.has(seed) };
  });
  const failing = verdicts.filter((v) => !v.holds && !missing.has(v.seed)).map(({ seed }) => seed);
  const kept = verdicts.every((verdict) => verdict.holds);
  const notes = [
    ...(failing.length > 0 ? [`missed with seed ${failing.join(', ')}`] : []),
    ...(missing.size > 0 ? [`not run with seed ${[...missing].join(', ')}`] : []),
  ];
  const mark = kept ? '✓' : failing.length > 0 ? '✗' : '–';
  return { kept, line: `${mark} ${claim}${notes.length > 0 ? ` (${notes.join('; ')})` : ''}` };
}

const nothing: TrialResult = {
  trial: {} as Trial,
  seed: -1,
  points: [],
  roundMs: Number.NaN,
  startedAt: '',
  load: [0, 0],
};
