import { unwrap } from '@skerry/shared/testing';
import { describe, expect, it } from 'vitest';
import { updateOf } from '../../testing/sample-update.ts';
import { createStrategy } from './create-strategy.ts';
import { keepPersonal } from './keep-personal.ts';
import { strategyOptionsSchema } from './strategy-options.ts';

const layout = {
  tensors: [
    { name: 'body', shape: [2] },
    { name: 'head', shape: [2] },
  ],
};
const fedAvg = createStrategy(strategyOptionsSchema.parse({ name: 'fedavg' }));

describe('personal tensors', () => {
  it('[AGG11] stay what they were, and clients are told which they are', () => {
    const strategy = unwrap(keepPersonal(fedAvg, layout, ['head']));
    const before = strategy.initialize(Float32Array.of(1, 2, 3, 4));
    expect(strategy.configureTrain(before).personal).toEqual(['head']);
    expect(strategy.configureEvaluate(before).personal).toEqual(['head']);
    const { state } = unwrap(
      strategy.aggregateTrain(before, [updateOf('a', [2, 2, 0, 0]), updateOf('b', [0, 4, 0, 0])]),
    );
    expect([...state.parameters]).toEqual([2, 5, 3, 4]);
  });

  it('[AGG11] of a client that sends its own, in the update or its control variate, are not taken', () => {
    const strategy = unwrap(keepPersonal(fedAvg, layout, ['head']));
    const before = strategy.initialize(new Float32Array(4));
    const { state, report } = unwrap(
      strategy.aggregateTrain(before, [
        updateOf('a', [2, 2, 0, 0]),
        updateOf('b', [9, 9, 0, 1e-9]),
        updateOf('c', [9, 9, 0, 0], { control: Float32Array.of(0, 0, 1, 0) }),
      ]),
    );
    expect([...state.parameters]).toEqual([2, 2, 0, 0]);
    expect(report.clients.slice(1)).toEqual([
      { client: 'b', used: false, reason: 'personal-told' },
      { client: 'c', used: false, reason: 'personal-told' },
    ]);
    expect(strategy.aggregateTrain(before, [updateOf('b', [0, 0, 1, 0])]).ok).toBe(false);
  });

  it('[AGG11] stay though an optimizer still moves on', () => {
    const options = { name: 'fedavgm', momentum: 0.9 };
    const momentum = createStrategy(strategyOptionsSchema.parse(options));
    const strategy = unwrap(keepPersonal(momentum, layout, ['head']));
    // A state from before the head was personal.
    const before = {
      ...strategy.initialize(Float32Array.of(1, 1, 1, 1)),
      slots: { momentum: Float64Array.of(1, 1, 1, 1) },
    };
    const { state } = unwrap(strategy.aggregateTrain(before, [updateOf('a', [1, 1, 0, 0])]));
    expect([...state.parameters.map((value) => Math.round(10 * value))]).toEqual([29, 29, 10, 10]);
  });

  it('[AGG11] of no layout are refused, and none changes nothing', () => {
    expect(keepPersonal(fedAvg, layout, ['tail'])).toMatchObject({
      error: { code: 'invalid_argument' },
    });
    expect(keepPersonal(fedAvg, layout, [])).toEqual({ ok: true, value: fedAvg });
  });
});
