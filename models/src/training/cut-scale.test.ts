import { expect, it } from 'vitest';
import { chooseCutScale } from './cut-scale.ts';

it('covers all but the rarest values of a cut', () => {
  const values = Float32Array.from({ length: 100_000 }, (_, i) => i / 100_000);
  values[0] = 1000;
  expect(255 * chooseCutScale(values)).toBeCloseTo(1, 3);
});

it('has a scale for a cut that is all zeros', () => {
  expect(chooseCutScale(new Float32Array(10))).toBe(1 / 255);
});
