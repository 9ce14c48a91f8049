import { expect, it } from 'vitest';
import { latenciesOf, mean, median, medianRatio } from './statistics.ts';

it('takes the middle of an odd number of values, whatever their order', () => {
  expect(median([9, 1, 10])).toBe(9);
});

it('takes the mean of the two middle ones of an even number', () => {
  expect(median([4, 1, 3, 100])).toBe(3.5);
});

it('has no middle of nothing', () => {
  expect(median([])).toBeNaN();
});

it('compares round by round, so that a slow round does not move the ratio', () => {
  expect(medianRatio([2, 2, 200], [1, 1, 100])).toBe(2);
});

it('finds the two percentiles by nearest rank', () => {
  const samples = Array.from({ length: 200 }, (_, i) => 200 - i);
  expect(latenciesOf(samples)).toEqual({ p50Ms: 100, p99Ms: 198 });
});

it('averages', () => {
  expect(mean([1, 2, 6])).toBe(3);
});
