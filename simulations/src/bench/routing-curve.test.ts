import { createRandom } from '@skerry/shared';
import { describe, expect, it } from 'vitest';
import {
  averageGapRecovered,
  callsToRecover,
  oracleCurve,
  type RoutedQuestion,
  routingCurve,
} from './routing-curve.ts';

const random = createRandom(3);
/** 60 % right by the weak model, all by the strong one. */
const questions: RoutedQuestion[] = Array.from({ length: 10_000 }, (_, i) => ({
  weakRight: i % 5 < 3,
  strongRight: true,
  score: random.next(),
}));
const ends = { weak: 0.6, strong: 1 };

describe('a routing curve', () => {
  it('of a router that knows nothing recovers half of the gap, in proportion to its calls', () => {
    const curve = routingCurve(questions);
    expect([curve[0], curve.at(-1)]).toEqual([0.6, 1]);
    expect(averageGapRecovered(curve, ends)).toBeCloseTo(0.5, 1);
    expect(callsToRecover(0.8, curve, ends)).toBeCloseTo(0.8, 1);
  });

  it('of the best router rises by one for one until nothing is left to gain', () => {
    const best = questions.map((question) => ({ ...question, score: Number(!question.weakRight) }));
    expect(routingCurve(best)).toEqual(
      oracleCurve(questions).map((accuracy) => expect.closeTo(accuracy, 9)),
    );
    // Up to 0.4 the mean of 0.6 and 1, then 1: (0.4 · 0.8 + 0.6 − 0.6) / 0.4.
    expect(averageGapRecovered(oracleCurve(questions), ends)).toBeCloseTo(0.8, 9);
    expect(callsToRecover(0.5, oracleCurve(questions), ends)).toBeCloseTo(0.2, 9);
  });

  it('of a router that is always wrong recovers little', () => {
    const worst = questions.map((question) => ({ ...question, score: Number(question.weakRight) }));
    expect(averageGapRecovered(routingCurve(worst), ends)).toBeCloseTo(0.2, 9);
  });
});
