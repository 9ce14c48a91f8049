import { unwrap } from '@skerry/shared/testing';
import { describe, expect, it } from 'vitest';
import {
  decideCommitment,
  foldLedger,
  type LedgerEvent,
  openLedger,
  privacyBudgetSchema,
  spentByRound,
  spentOf,
} from '../privacy/ledger.ts';
import { aggregateEvaluate } from '../strategies/aggregate-evaluate.ts';
import { drawLearning, learningCharts, learningSvg, type PlottedRun } from './learning-plots.ts';

const evaluated = (round: number) =>
  aggregateEvaluate(
    Array.from({ length: 20 }, (_, i) => ({
      client: `device-${i}`,
      examples: 10,
      cohort: i < 10 ? 'harbour' : 'quarry',
      metrics: {
        accuracy: (i < 10 ? 0.9 : 0.5) * (1 - 1 / (round + 1)) + i / 1_000,
        loss: 2 / round,
      },
    })),
  );

const run: PlottedRun = {
  name: 'digits-7',
  budget: { epsilonMax: 10, delta: 1e-3 },
  rounds: Array.from({ length: 30 }, (_, i) => ({
    round: i + 1,
    metrics: { loss: 1 / (i + 1) },
    central: { accuracy: 1 - 1 / (i + 2), loss: 1.5 / (i + 1) },
    federated: i % 5 === 4 ? evaluated(i + 1) : undefined,
    epsilon: Math.sqrt(i + 1),
  })),
};

describe('the plots of a run', () => {
  it('[PLT1] are accuracy, loss, cohorts and ε by round', () => {
    const charts = learningCharts(run);
    expect(charts.map(({ series }) => series.map(({ name }) => name))).toEqual([
      ['held out', 'on the devices'],
      ['held out', 'on the devices', 'in training'],
      ['quarry', 'harbour', 'worst tenth of clients'],
      ['spent'],
    ]);
    const [accuracy, , fairness, privacy] = charts;
    expect(accuracy?.series[1]?.points.map(({ x }) => x)).toEqual([5, 10, 15, 20, 25, 30]);
    const last = evaluated(30);
    expect(fairness?.band?.points.at(-1)).toEqual({
      x: 30,
      low: last.fairness['accuracy']?.worst.value,
      high: last.fairness['accuracy']?.best.value,
    });
    expect(privacy?.level).toEqual({ name: 'budget', y: 10 });
  });

  it('[PLT1] leave out what was not measured, and are empty before the first round', () => {
    const plain = { name: 'a', rounds: [{ round: 1, central: { accuracy: 0.5 } }] };
    expect(learningCharts(plain).map(({ title }) => title)).toEqual(['a: accuracy by round']);
    expect(drawLearning({ name: 'a', rounds: [] })).toBe('');
    expect(learningSvg({ name: 'a', rounds: [] })).toContain('</svg>');
  });

  it('[PLT1] show of many cohorts those that the newest model serves worst', () => {
    const results = Array.from({ length: 9 }, (_, i) => ({
      client: `d${i}`,
      examples: 1,
      cohort: `site-${i}`,
      metrics: { accuracy: i / 10 },
    }));
    const [chart] = learningCharts({
      name: 'a',
      rounds: [{ round: 1, federated: aggregateEvaluate(results) }],
    }).slice(1);
    expect(chart?.series.map(({ name }) => name)).toEqual([
      ...['site-0', 'site-1', 'site-2', 'site-3', 'site-4', 'site-5'],
      'worst tenth of clients',
    ]);
  });

  it('[PLT1] are drawn on a console and as SVG', () => {
    expect(drawLearning(run)).toContain('digits-7: ε spent by round at δ 0.001');
    const svg = learningSvg(run);
    expect(svg.match(/<polyline/g)).toHaveLength(9);
    expect(svg).toContain('>quarry</text>');
  });
});

describe('ε by round', () => {
  it('[PLT1] is what the ledger had spent after each commitment, given-up attempts and all', () => {
    const budget = privacyBudgetSchema.parse({ epsilonMax: 100, delta: 1e-3 });
    let ledger = openLedger(budget);
    const events: LedgerEvent[] = [];
    for (const [round, attempt] of [
      [1, 1],
      [1, 2],
      [2, 1],
    ] as const) {
      const mechanism = { samplingRate: 0.2, noiseMultiplier: 1 };
      const event = unwrap(
        decideCommitment(ledger, { round, attempt, atMs: 0, mechanism, clip: 1 }),
      );
      events.push(event);
      ledger = foldLedger(ledger, event);
    }
    const spent = [...spentByRound(budget, events)];
    expect(spent.map(([round]) => round)).toEqual([1, 2]);
    const after = (attempts: number): number =>
      spentOf(events.slice(0, attempts).reduce(foldLedger, openLedger(budget))).epsilon;
    expect(spent.map(([, epsilon]) => epsilon)).toEqual([after(2), after(3)]);
  });
});
