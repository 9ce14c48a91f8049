// A run's rounds to look at: whether it converges, what it has spent of its privacy, and whom it leaves behind. A good mean may
// hide a cohort that the model fails, so the spread over clients stands beside it.

import { type Chart, chartsSvg, drawChart, type Point, type Series } from '@skerry/shared/chart';
import type { EvaluateReport } from '../strategies/aggregate-evaluate.ts';

type Metrics = Readonly<Record<string, number>>;

/** What is known of a round; whatever was not measured is not drawn. */
export interface PlottedRound {
  readonly round: number;
  /** As clients say of their training. */
  readonly metrics?: Metrics;
  /** On the coordinator's own held-out examples. */
  readonly central?: Metrics | undefined;
  readonly federated?: Pick<EvaluateReport, 'metrics' | 'cohorts' | 'fairness'> | undefined;
  /** Spent up to and with this round. */
  readonly epsilon?: number;
}

export interface PlottedRun {
  readonly name: string;
  readonly rounds: readonly PlottedRound[];
  /** At which δ, and of how much. */
  readonly budget?: { readonly epsilonMax: number; readonly delta: number };
}

/** More lines than this nobody tells apart. */
const cohortsMax = 6;

export const drawLearning = (run: PlottedRun): string =>
  learningCharts(run).map(drawChart).join('\n\n');

export const learningSvg = (run: PlottedRun): string => chartsSvg(learningCharts(run));

export function learningCharts(run: PlottedRun): readonly Chart[] {
  return [accuracyChart(run), lossChart(run), fairnessChart(run), privacyChart(run)].filter(
    (chart) => chart.series.length > 0,
  );
}

const percent = (share: number): string => `${Number((100 * share).toFixed(1))} %`;
const short = (value: number): string => String(Number(value.toPrecision(3)));
const byRound = { label: 'round', format: short } as const;

function accuracyChart({ name, rounds }: PlottedRun): Chart {
  return {
    title: `${name}: accuracy by round`,
    x: byRound,
    y: { label: 'accuracy', format: percent, to: 1 },
    series: seriesOf(rounds, {
      'held out': ({ central }) => central?.['accuracy'],
      'on the devices': ({ federated }) => federated?.metrics['accuracy'],
    }),
  };
}

function lossChart({ name, rounds }: PlottedRun): Chart {
  return {
    title: `${name}: loss by round`,
    x: byRound,
    y: { label: 'loss', format: short, from: 0 },
    series: seriesOf(rounds, {
      'held out': ({ central }) => central?.['loss'],
      'on the devices': ({ federated }) => federated?.metrics['loss'],
      'in training': ({ metrics }) => metrics?.['loss'],
    }),
  };
}

/** The cohorts that the newest model serves worst, and between whom the clients lie. */
function fairnessChart({ name, rounds }: PlottedRun): Chart {
  const measured = rounds.flatMap(({ round, federated }) => {
    const spread = federated?.fairness['accuracy'];
    return spread === undefined
      ? []
      : [{ x: round, low: spread.worst.value, high: spread.best.value }];
  });
  return {
    title: `${name}: accuracy by cohort`,
    x: byRound,
    y: { label: 'accuracy on the devices', format: percent, to: 1 },
    series: seriesOf(rounds, {
      ...Object.fromEntries(
        worstCohorts(rounds).map((cohort) => [
          cohort,
          ({ federated }: PlottedRound) => federated?.cohorts[cohort]?.metrics['accuracy'],
        ]),
      ),
      'worst tenth of clients': ({ federated }) => federated?.fairness['accuracy']?.worstTenth,
    }),
    ...(measured.length > 0 ? { band: { name: 'worst to best client', points: measured } } : {}),
  };
}

function worstCohorts(rounds: readonly PlottedRound[]): readonly string[] {
  const newest = rounds.findLast(({ federated }) => federated !== undefined)?.federated;
  const accuracy = (cohort: string): number =>
    newest?.cohorts[cohort]?.metrics['accuracy'] ?? Number.POSITIVE_INFINITY;
  return Object.keys(newest?.cohorts ?? {})
    .sort((a, b) => accuracy(a) - accuracy(b))
    .slice(0, cohortsMax);
}

function privacyChart({ name, rounds, budget }: PlottedRun): Chart {
  const at = budget === undefined ? '' : ` at δ ${budget.delta}`;
  return {
    title: `${name}: ε spent by round${at}`,
    x: byRound,
    y: { label: 'ε', format: short, from: 0 },
    series: seriesOf(rounds, { spent: ({ epsilon }) => epsilon }),
    ...(budget ? { level: { name: 'budget', y: budget.epsilonMax } } : {}),
  };
}

/** Those that were measured at all. */
function seriesOf(
  rounds: readonly PlottedRound[],
  values: Readonly<Record<string, (round: PlottedRound) => number | undefined>>,
): readonly Series[] {
  return Object.entries(values).flatMap(([name, read]) => {
    const points = rounds.flatMap((each): Point[] => {
      const y = read(each);
      return y === undefined ? [] : [{ x: each.round, y }];
    });
    return points.length === 0 ? [] : [{ name, points }];
  });
}
