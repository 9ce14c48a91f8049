import { expect, it } from 'vitest';
import { createDriftMeter, driftOf, windowAnswersMax, windowAnswersMin } from './drift.ts';

it('[LEA4] drift is the Jensen–Shannon divergence of two counts of classes, in bits', () => {
  expect(driftOf([100, 100], [300, 300])).toBe(0);
  expect(driftOf([100, 0], [0, 100])).toBe(1);
  // p = (1/2, 1/2), q = (1, 0): H(3/4, 1/4) − (1 + 0) / 2.
  expect(driftOf([50, 50], [100, 0])).toBeCloseTo(0.8112781 - 0.5, 6);
  expect(driftOf([100, 100], [windowAnswersMin - 1, 0])).toBeUndefined();
});

it('[LEA4] a meter compares a bundle’s latest answers with its first, which it gives away once to be kept', () => {
  const meter = createDriftMeter(2);
  const answer = (label: number, times: number) => {
    for (let i = 0; i < times; i++) meter.answered(label);
  };
  answer(0, windowAnswersMax);
  expect(meter.takeReference()).toEqual([windowAnswersMax, 0]);
  expect(meter.takeReference()).toBeUndefined();
  expect(meter.drift()).toBeUndefined();
  answer(0, windowAnswersMax);
  expect(meter.drift()).toBe(0);
  answer(1, windowAnswersMax);
  expect(meter.drift()).toBe(1);
  const next = createDriftMeter(2, [windowAnswersMax, 0]);
  for (let i = 0; i < windowAnswersMin; i++) next.answered(1);
  expect(next.drift()).toBe(1);
});
