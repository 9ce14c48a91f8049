import { expect, it } from 'vitest';
import { trustedFrom } from './trusted-from.ts';

it('an exit is trusted from its threshold on, or from those of its classes, which replace it', () => {
  const said = (threshold: number | null, thresholds?: (number | null)[]) =>
    trustedFrom({ temperature: 1, threshold, ...(thresholds ? { thresholds } : {}) });
  expect(said(0.8719)).toBe('confidence ≥ 0.872');
  expect(said(null)).toBe('never trusted');
  expect(said(0.5, [0.9, 0.9])).toBe('confidence ≥ 0.900');
  expect(said(null, [0.7, 0.95])).toBe('confidence ≥ 0.700…0.950 by class');
  expect(said(0.5, [0.7, null, 0.95])).toBe(
    'confidence ≥ 0.700…0.950 by class, 1 of 3 classes never',
  );
  expect(said(0.5, [null, null])).toBe('never trusted');
});
