import { createRandom, type Random } from '@skerry/shared';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  chooseThreshold,
  methodNames,
  methods,
  neverAnswered,
  type Outcome,
  thresholdGrid,
} from './choose-threshold.ts';

const bound = { epsilon: 0.01, delta: 0.1 };
const learnThenTest = { ...bound, method: 'learn-then-test', binary: true } as const;

const outcomes = (count: number, confidence: number, loss: number): Outcome[] =>
  Array.from({ length: count }, () => ({ confidence, loss }));

describe('every method', () => {
  it.each([
    ['learn-then-test', bound, 230],
    ['learn-then-test', { epsilon: 0.005, delta: 0.1 }, 460],
    ['learn-then-test', { epsilon: 0.01, delta: 0.05 }, 299],
    ['conformal-risk-control', bound, 99],
    ['quantile', bound, 1],
  ] as const)(
    '%s with %o can pass with %i examples, and escalates everything with fewer',
    (method, of, n) => {
      expect(methods[method].minimumExamples(of)).toBe(n);
      const options = { ...of, method, binary: true };
      expect(chooseThreshold(outcomes(n, 0.999, 0), options).threshold).toBe(0);
      expect(chooseThreshold(outcomes(n - 1, 0.999, 0), options)).toMatchObject({
        threshold: null,
        reason: expect.stringContaining(`${n} can: escalate everything`),
      });
    },
  );

  it.each(methodNames)('%s escalates everything where the most confident are wrong', (method) => {
    const found = chooseThreshold(outcomes(1000, 1, 1), { ...bound, method, binary: true });
    expect(found).toMatchObject({ threshold: null, reason: expect.stringContaining('0.01') });
  });

  it.each(methodNames)(
    '%s keeps the last threshold that passed, not the first that failed',
    (method) => {
      const data = [...outcomes(900, 0.99, 0), ...outcomes(100, 0.6, 1)];
      const found = chooseThreshold(data, { ...bound, method, binary: true });
      expect(found).toMatchObject({ answered: 900, loss: 0 });
      expect(found.threshold).toBeGreaterThan(0.6);
      expect(found.threshold).toBeLessThan(0.61);
    },
  );

  it.each(methodNames)('%s never counts what is out of domain as answered', (method) => {
    const data = [...outcomes(900, 0.99, 0), ...outcomes(100, neverAnswered, 1)];
    const found = chooseThreshold(data, { ...bound, method, binary: true });
    expect(found).toEqual({ threshold: 0, answered: 900, loss: 0 });
  });

  it('is the more cautious, the more it guarantees', () => {
    const outcome = fc.record({
      confidence: fc.double({ min: 0.5, max: 1, noNaN: true }),
      loss: fc.integer({ min: 0, max: 20 }).map((die) => Number(die === 0)),
    });
    fc.assert(
      fc.property(fc.array(outcome, { minLength: 1, maxLength: 600 }), (data) => {
        const answeredBy = methodNames.map((method) => {
          const found = chooseThreshold(data, { epsilon: 0.05, delta: 0.1, method, binary: true });
          return found.threshold === null ? 0 : found.answered;
        });
        expect(answeredBy).toEqual(answeredBy.toSorted((a, b) => a - b));
      }),
      { numRuns: 50 },
    );
  });

  it('tries thresholds from the most conservative to none at all', () => {
    expect(thresholdGrid).toEqual(thresholdGrid.toSorted((a, b) => b - a));
    expect(thresholdGrid.at(-1)).toBe(0);
  });
});

describe('the share of calibration sets whose threshold exceeds ε', () => {
  const repeats = 1000;
  const exceededBy = (
    draw: (random: Random) => Outcome,
    options: Parameters<typeof chooseThreshold>[1],
  ) => {
    const random = createRandom(11);
    let exceeded = 0;
    for (let repeat = 0; repeat < repeats; repeat++) {
      const data = Array.from({ length: 600 }, () => draw(random));
      const { threshold } = chooseThreshold(data, options);
      if (threshold !== null && trueRisk(threshold) > options.epsilon) exceeded++;
    }
    return exceeded / repeats;
  };
  /** Two standard deviations of a Binomial(1000, 0.1) share. */
  const slack = 0.019;

  it('is at most δ for learn-then-test, which is not merely timid', () => {
    const share = exceededBy(drawBinary, learnThenTest);
    expect(share).toBeLessThanOrEqual(bound.delta + slack);
    expect(share).toBeGreaterThan(0);
  });

  it('is at most δ for losses between 0 and 1 too', () => {
    const share = exceededBy(drawGraded, { ...learnThenTest, binary: false });
    expect(share).toBeLessThanOrEqual(bound.delta + slack);
  });

  it('is far larger for the methods that do not promise it', () => {
    expect(exceededBy(drawBinary, { ...learnThenTest, method: 'quantile' })).toBeGreaterThan(0.4);
    const controlled = exceededBy(drawBinary, {
      ...learnThenTest,
      method: 'conformal-risk-control',
    });
    expect(controlled).toBeGreaterThan(bound.delta + slack);
  });
});

/** A world whose risk is known: confidence c is uniform in 0.5…1, and the answer is right with probability c. */
function drawBinary(random: Random): Outcome {
  const confidence = 0.5 + random.next() / 2;
  return { confidence, loss: Number(random.next() >= confidence) };
}

/** The same expected loss at each confidence, never 0 or 1 but for chance. */
function drawGraded(random: Random): Outcome {
  const confidence = 0.5 + random.next() / 2;
  return { confidence, loss: 2 * random.next() * (1 - confidence) };
}

/** ∫ (1 − c) 2 dc from the threshold to 1. */
const trueRisk = (threshold: number): number => (1 - Math.max(0.5, threshold)) ** 2;
