import { describe, expect, it } from 'vitest';
import { planBatch } from './batch-plan.ts';

const limits = { rowsMax: 4, delayMs: 10 };

describe('planBatch', () => {
  it.each([
    ['nothing waits', 0, 0, { kind: 'idle' }],
    ['the oldest has just come', 1, 100, { kind: 'wait', delayMs: 10 }],
    ['the oldest has waited a while', 3, 93, { kind: 'wait', delayMs: 3 }],
    ['the oldest has waited long enough', 3, 90, { kind: 'run', rows: 3 }],
    ['the oldest waited while another batch ran', 2, 0, { kind: 'run', rows: 2 }],
    ['the batch is full', 4, 100, { kind: 'run', rows: 4 }],
    ['more wait than fit', 9, 100, { kind: 'run', rows: 4 }],
  ])('%s', (_when, rows, oldestAtMs, plan) => {
    expect(planBatch(rows, oldestAtMs, 100, limits)).toEqual(plan);
  });
});
