import { describe, expect, it } from 'vitest';
import { expectedCalibrationError } from './calibration-error.ts';

const of = (count: number, confidence: number, right: number) =>
  Array.from({ length: count }, (_, i) => ({ confidence, correct: i < right }));

describe('expectedCalibrationError', () => {
  it('is nothing where accuracy is what confidence says', () => {
    expect(expectedCalibrationError([...of(10, 0.8, 8), ...of(4, 0.5, 2)])).toBeCloseTo(0, 12);
  });

  it('weighs each bin’s gap with its share', () => {
    // Bins apart: |6/10 − 0.8| over ten of fourteen, |4/4 − 0.5| over four.
    const error = expectedCalibrationError([...of(10, 0.8, 6), ...of(4, 0.5, 4)]);
    expect(error).toBeCloseTo((10 * 0.2 + 4 * 0.5) / 14, 12);
  });

  it('puts a bin’s upper edge into it, not its lower one', () => {
    // 3/15 closes the third bin and 0.21 opens the fourth: gaps of opposite sign must not cancel.
    const apart = expectedCalibrationError([...of(1, 3 / 15, 1), ...of(1, 0.21, 0)]);
    expect(apart).toBeCloseTo((0.8 + 0.21) / 2, 12);
    const together = expectedCalibrationError([...of(1, 3 / 15, 1), ...of(1, 0.19, 0)]);
    expect(together).toBeCloseTo((0.8 - 0.19) / 2, 12);
  });
});
