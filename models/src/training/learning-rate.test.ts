import { describe, expect, it } from 'vitest';
import { learningRateAt } from './learning-rate.ts';

describe('learningRateAt', () => {
  it('warms the learning rate up, then lets it fall to nothing', () => {
    const schedule = { learningRateMax: 0.1, warmupSteps: 10 };
    const rates = Array.from({ length: 100 }, (_, i) => learningRateAt(i, 100, schedule));
    expect(rates[0]).toBeCloseTo(0.01);
    expect(Math.max(...rates)).toBeCloseTo(0.1);
    expect(rates.at(-1)).toBeLessThan(1e-4);
  });
});
