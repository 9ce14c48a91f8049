import { describe, expect, it } from 'vitest';
import { planSteps } from './plan-steps.ts';

const task = { epochs: 2, batch: 3, learningRate: 1, seed: 4 };
const rowsOf = (change: Partial<typeof task> & { stepsMax?: number } = {}) =>
  planSteps(8, { ...task, ...change }).steps.map((rows) => [...rows]);

describe('planSteps', () => {
  it('sees each example once an epoch, in an order of its own', () => {
    const steps = rowsOf();
    expect(steps.map(({ length }) => length)).toEqual([3, 3, 2, 3, 3, 2]);
    const epochs = [steps.slice(0, 3).flat(), steps.slice(3).flat()];
    for (const epoch of epochs) expect(epoch.toSorted()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(epochs[0]).not.toEqual(epochs[1]);
  });

  it('is a function of its seed', () => {
    expect(rowsOf()).toEqual(rowsOf());
    expect(rowsOf({ seed: 5 })).not.toEqual(rowsOf());
  });

  it('takes the first of the steps that were asked where it may not take all', () => {
    expect(rowsOf({ stepsMax: 4 })).toEqual(rowsOf().slice(0, 4));
    expect(planSteps(8, { ...task, stepsMax: 4 }).asked).toBe(6);
  });

  it('takes all at once where a batch holds more than there are', () => {
    expect(rowsOf({ batch: Number.POSITIVE_INFINITY }).map(({ length }) => length)).toEqual([8, 8]);
    expect(planSteps(8, { ...task, batch: 100 }).asked).toBe(2);
  });
});
