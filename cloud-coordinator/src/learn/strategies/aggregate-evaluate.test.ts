import { describe, expect, it } from 'vitest';
import { aggregateEvaluate } from './aggregate-evaluate.ts';

describe('the evaluation of a model by many', () => {
  it('[AGG5] is the mean by examples', () => {
    const report = aggregateEvaluate([
      { client: 'a', examples: 1, metrics: { loss: 2 } },
      { client: 'b', examples: 2, metrics: { loss: 1 } },
      { client: 'c', examples: 1, metrics: { loss: 2 } },
    ]);
    expect(report).toMatchObject({ clients: 3, examples: 4, metrics: { loss: 1.5 } });
  });

  it('[AGG5] says it of each cohort, and how far clients are from each other', () => {
    const of = (client: string, cohort: string, accuracy: number, examples: number) => ({
      client,
      cohort,
      examples,
      metrics: { accuracy, loss: 1 - accuracy },
    });
    const { cohorts, fairness } = aggregateEvaluate([
      of('d', 'north', 0.5, 30),
      of('b', 'south', 0.9, 10),
      of('a', 'north', 0.7, 10),
      of('c', 'south', 0.5, 50),
    ]);
    expect(cohorts['north']?.metrics['accuracy']).toBeCloseTo(0.55, 12);
    expect(cohorts['south']?.metrics['accuracy']).toBeCloseTo(34 / 60, 12);
    const { accuracy, loss } = fairness;
    expect(accuracy?.mean).toBeCloseTo(0.65, 12);
    expect(accuracy?.std).toBeCloseTo(Math.sqrt(0.0275), 12);
    expect(accuracy).toMatchObject({
      clients: 4,
      worst: { client: 'c', value: 0.5 },
      best: { client: 'b', value: 0.9 },
      worstTenth: 0.5,
    });
    // Of a loss the largest is the worst.
    expect(loss?.worst.client).toBe('c');
    expect(loss?.best.client).toBe('b');
    expect(loss?.worst.value).toBe(0.5);
  });

  it('[AGG5] leaves out who has no examples, no number, or came twice', () => {
    const report = aggregateEvaluate([
      { client: 'a', examples: 0, metrics: { loss: 9 } },
      { client: 'b', examples: 1, metrics: { loss: Number.NaN } },
      { client: 'c', examples: 1, metrics: { loss: 1 } },
      { client: 'c', examples: 1, metrics: { loss: 5 } },
    ]);
    expect(report.metrics).toEqual({ loss: 1 });
    expect(report.leftOut.map(({ reason }) => reason)).toEqual([
      'no-examples',
      'not-finite',
      'repeated',
    ]);
    expect(aggregateEvaluate([])).toMatchObject({ clients: 0, examples: 0, metrics: {} });
  });
});
