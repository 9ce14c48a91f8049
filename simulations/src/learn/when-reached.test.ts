import { expect, it } from 'vitest';
import { bestOf, meanOfLast, whenReached } from './when-reached.ts';

const curve = (...values: number[]) => values.map((value, i) => ({ at: i + 1, value }));

it('a target between two rounds is crossed between them', () => {
  expect(whenReached(0.75, curve(0.5, 0.7, 0.8))).toBeCloseTo(2.5);
  expect(whenReached(0.7, curve(0.5, 0.7, 0.8))).toBe(2);
  expect(whenReached(0.25, curve(0.5))).toBe(0.5);
});

it('a dip does not undo the best, and what is no number is none', () => {
  expect(whenReached(0.8, curve(0.7, 0.2, 0.9))).toBeCloseTo(2.5);
  expect(whenReached(0.8, curve(0.7, Number.NaN, 0.9))).toBeCloseTo(2.5);
  expect(whenReached(0.8, curve(0.7, 0.79))).toBeUndefined();
  expect(bestOf([0.1, Number.NaN, 0.05])).toBe(0.1);
  expect(meanOfLast(2, [9, 0.5, Number.NaN])).toBe(0.25);
});

it('over any axis that grows, also one with gaps', () => {
  const points = [
    { at: 3, value: 0.5 },
    { at: 4, value: 0.7 },
    { at: 10, value: 0.9 },
  ];
  expect(whenReached(0.8, points)).toBeCloseTo(7);
  expect(whenReached(0.7, points)).toBeCloseTo(4);
  expect(whenReached(0.25, points)).toBeCloseTo(1.5);
  expect(whenReached(0.95, points)).toBeUndefined();
});
