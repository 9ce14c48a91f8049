import { createRandom } from '@skerry/shared';
import { describe, expect, it } from 'vitest';
import { calibrateExit, judge } from './calibrate-exit.ts';
import { neverAnswered } from './choose-threshold.ts';
import type { Observed } from './observed.ts';

const classes = 4;
const bound = { epsilon: 0.05, delta: 0.1 };

/** An exit that is right where its margin is large; class 3 is hard for it. The whole network is always right. */
function draw(examples: number, seed = 3): Observed {
  const random = createRandom(seed);
  const labels = Array.from({ length: examples }, () => random.below(classes));
  const logits = labels.flatMap((label) => {
    const margin = label === 3 ? 1 : 4;
    return Array.from(
      { length: classes },
      (_, c) => (c === label ? margin : 0) + 1.2 * random.gaussian(),
    );
  });
  const whole = labels.flatMap((label) =>
    Array.from({ length: classes }, (_, c) => (c === label ? 9 : 0)),
  );
  return { classes, logits, labels, whole };
}

function sliceObserved(observed: Observed, start: number, end: number): Observed {
  const rows = (of: ArrayLike<number>): number[] =>
    Array.from(of).slice(start * classes, end * classes);
  return {
    classes,
    logits: rows(observed.logits),
    labels: Array.from(observed.labels).slice(start, end),
    whole: observed.whole && rows(observed.whole),
  };
}

const all = draw(5000);
const tuning = sliceObserved(all, 0, 1000);
const proving = sliceObserved(all, 1000, 5000);

describe('the calibration of an exit', () => {
  it('states what it bounds, how, on how many examples, and what it costs', () => {
    const calibrated = calibrateExit(1, { tuning, proving }, { bound });
    expect(calibrated).toMatchObject({
      exit: 1,
      method: 'learn-then-test',
      loss: 'error',
      n: 4000,
      ...bound,
    });
    const { metrics } = calibrated;
    expect(metrics?.risk).toBeLessThan(bound.epsilon);
    expect(metrics?.riskBound).toBeGreaterThan(metrics?.risk ?? 1);
    expect(metrics?.riskBound).toBeLessThanOrEqual(bound.epsilon + 1e-9);
    expect(metrics?.coverage).toBeGreaterThan(0.5);
    expect(metrics?.eceAfter).toBeLessThanOrEqual((metrics?.eceBefore ?? 0) + 0.01);
    expect(metrics?.excessAurc).toBeGreaterThan(0);
    expect(calibrated.curve?.length).toBeLessThanOrEqual(33);
  });

  it('counts what is out of domain as escalated, in the very outcomes that prove the threshold', () => {
    const { temperature, domain, metrics } = calibrateExit(1, { tuning, proving }, { bound });
    const judged = judge(proving, { temperature, domain, loss: 'error' });
    const outside = judged.filter(({ confidence }) => confidence === neverAnswered).length;
    expect(outside).toBeGreaterThan(0);
    expect(metrics?.outOfDomain).toBe(outside / 4000);
  });

  it('bounds the gap to the whole network, or the disagreement with it', () => {
    const wrongToo = { ...proving, whole: proving.logits };
    // A network that errs with the exit leaves no gap and no disagreement: everything in the domain may be answered.
    for (const loss of ['gap', 'disagreement'] as const)
      expect(calibrateExit(1, { tuning, proving: wrongToo }, { bound, loss }).threshold).toBe(0);
    for (const loss of ['gap', 'disagreement', 'divergence'] as const)
      expect(calibrateExit(1, { tuning, proving }, { bound, loss }).threshold).toBeGreaterThan(0);
    const alone = { ...proving, whole: undefined };
    expect(() => calibrateExit(1, { tuning, proving: alone }, { bound, loss: 'gap' })).toThrow(
      'whole network',
    );
  });

  it('claims no probability for the methods that have none', () => {
    const of = (method: 'conformal-risk-control' | 'quantile') =>
      calibrateExit(1, { tuning, proving }, { bound, method });
    expect(of('conformal-risk-control')).toMatchObject({
      method: 'conformal-risk-control',
      delta: 1,
    });
    expect(of('quantile').delta).toBe(1);
  });

  it('says why where there is no threshold', () => {
    const few = sliceObserved(proving, 0, 40);
    expect(calibrateExit(1, { tuning, proving: few }, { bound })).toMatchObject({
      threshold: null,
      reason: expect.stringContaining('45 can: escalate everything'),
    });
  });

  it('says it of classes only where not one has a threshold', () => {
    const of = (examples: number) =>
      calibrateExit(
        1,
        { tuning, proving: sliceObserved(proving, 0, examples) },
        { bound, perClass: true },
      );
    const none = of(100);
    expect(none.threshold).not.toBeNull();
    expect(none.thresholds).toEqual([null, null, null, null]);
    expect(none.reason).toMatch(/in every class.* examples cannot show .*: escalate everything/);
    const some = of(320);
    expect(some.thresholds).toContain(null);
    expect(some.thresholds?.some((threshold) => threshold !== null)).toBe(true);
    expect(some.reason).toBeUndefined();
  });

  it('bounds the risk within every class, each with its share of δ', () => {
    const calibrated = calibrateExit(1, { tuning, proving }, { bound, perClass: true });
    const { thresholds = [], temperature, domain } = calibrated;
    expect(thresholds.length).toBe(classes);
    const fresh = judge(draw(40_000, 4), { temperature, domain, loss: 'error' });
    for (const [c, threshold] of thresholds.entries()) {
      const ofClass = fresh.filter(({ index }) => index === c);
      const lost = ofClass.filter(
        (o) => threshold !== null && o.confidence >= threshold && o.loss === 1,
      );
      expect(lost.length / ofClass.length).toBeLessThanOrEqual(bound.epsilon);
    }
    expect(new Set(thresholds).size).toBeGreaterThan(1);
  });
});
