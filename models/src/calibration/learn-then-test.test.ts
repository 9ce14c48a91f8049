import { createRandom, type Random } from '@skerry/shared';
import { describe, expect, it } from 'vitest';
import { learnThenTest, minimumExamples, type Outcome, thresholdGrid } from './learn-then-test.ts';

const bound = { epsilon: 0.01, delta: 0.1 };

const outcomes = (count: number, confidence: number, correct: boolean): Outcome[] =>
  Array.from({ length: count }, () => ({ confidence, correct }));

describe('learnThenTest', () => {
  it('knows the fewest examples that can pass', () => {
    expect(minimumExamples(bound)).toBe(230);
    expect(minimumExamples({ epsilon: 0.005, delta: 0.1 })).toBe(460);
    expect(minimumExamples({ epsilon: 0.01, delta: 0.05 })).toBe(299);
  });

  it('escalates everything below that number, and says why', () => {
    const found = learnThenTest(outcomes(229, 0.9999999, true), bound);
    expect(found).toMatchObject({ threshold: null, reason: expect.stringContaining('230') });
    expect(learnThenTest(outcomes(230, 0.9999999, true), bound).threshold).toBe(0);
  });

  it('escalates everything where the most confident are wrong', () => {
    const found = learnThenTest(outcomes(1000, 1, false), bound);
    expect(found).toMatchObject({ threshold: null, reason: expect.stringContaining('0.01') });
  });

  it('keeps the last threshold that passed, not the first that failed', () => {
    const data = [...outcomes(900, 0.99, true), ...outcomes(100, 0.6, false)];
    const found = learnThenTest(data, bound);
    expect(found).toMatchObject({ answered: 900, wrong: 0 });
    expect(found.threshold).toBeGreaterThan(0.6);
    expect(found.threshold).toBeLessThan(0.61);
  });

  it('tries thresholds from the most conservative to none at all', () => {
    expect(thresholdGrid).toEqual(thresholdGrid.toSorted((a, b) => b - a));
    expect(thresholdGrid.at(-1)).toBe(0);
  });

  it('exceeds ε in at most δ of calibration sets', () => {
    const random = createRandom(11);
    const repeats = 1000;
    let exceeded = 0;
    for (let repeat = 0; repeat < repeats; repeat++) {
      const { threshold } = learnThenTest(
        Array.from({ length: 1500 }, () => drawOutcome(random)),
        bound,
      );
      if (threshold !== null && trueRisk(threshold) > bound.epsilon) exceeded++;
    }
    // Two standard deviations of a Binomial(1000, 0.1) share, 0.019, above δ.
    expect(exceeded / repeats).toBeLessThanOrEqual(bound.delta + 0.019);
    // And it is not merely timid: a bound that never fails at all would escalate too much.
    expect(exceeded).toBeGreaterThan(0);
  });
});

/** A world whose risk is known: confidence c is uniform in 0.5…1, and the answer is right with probability c. */
function drawOutcome(random: Random): Outcome {
  const confidence = 0.5 + random.next() / 2;
  return { confidence, correct: random.next() < confidence };
}

/** ∫ (1 − c) 2 dc from the threshold to 1. */
const trueRisk = (threshold: number): number => (1 - Math.max(0.5, threshold)) ** 2;
