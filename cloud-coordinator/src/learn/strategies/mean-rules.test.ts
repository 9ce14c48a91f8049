import { unwrap } from '@skerry/shared/testing';
import { describe, expect, it } from 'vitest';
import { updateOf } from '../../testing/sample-update.ts';
import { createStrategy } from './create-strategy.ts';
import { type ClientUpdate, startLossMetric } from './strategy.ts';
import { type StrategyOptionsInput, strategyOptionsSchema } from './strategy-options.ts';

const aggregate = (options: StrategyOptionsInput, updates: readonly ClientUpdate[]) => {
  const strategy = createStrategy(strategyOptionsSchema.parse(options));
  const size = updates[0]?.delta.length ?? 0;
  return unwrap(strategy.aggregateTrain(strategy.initialize(new Float32Array(size)), updates));
};

describe('FedNova', () => {
  // Two clients, each with an optimum of its own: what one step adds is the same for each in one round here.
  it('[AGG8] does not let who makes more steps pull more', () => {
    const updates = [updateOf('a', [1, 0], { steps: 1 }), updateOf('b', [0, 9], { steps: 9 })];
    const { state, report } = aggregate({ name: 'fednova' }, updates);
    // τ_eff = 5; each direction is one step's.
    expect([...state.parameters]).toEqual([2.5, 2.5]);
    expect(report.clients.map(({ score }) => score)).toEqual([1, 9]);
    const mean = aggregate({ name: 'fedavg' }, updates);
    expect([...mean.state.parameters]).toEqual([0.5, 4.5]);
  });

  it('[AGG8] of as many steps each is FedAvg', () => {
    const updates = [
      updateOf('a', [1], { steps: 5, examples: 1 }),
      updateOf('b', [4], { steps: 5, examples: 2 }),
    ];
    const { state } = aggregate({ name: 'fednova', localMomentum: 0.9 }, updates);
    expect(state.parameters[0]).toBeCloseTo(3, 6);
  });

  it('[AGG8] with momentum counts what steps are worth', () => {
    // ρ = 0.5: a = (1), and (1.5, 1): ‖a‖₁ = 1 and 2.5.
    const { report } = aggregate({ name: 'fednova', localMomentum: 0.5 }, [
      updateOf('a', [1], { steps: 1 }),
      updateOf('b', [1], { steps: 2 }),
    ]);
    expect(report.clients.map(({ score }) => score)).toEqual([1, 2.5]);
  });

  it('[AGG8] leaves out who made no step', () => {
    const { report } = aggregate({ name: 'fednova' }, [
      updateOf('a', [1]),
      updateOf('b', [1], { steps: 0 }),
    ]);
    expect(report.clients).toContainEqual({ client: 'b', used: false, reason: 'no-steps' });
  });
});

describe('q-FedAvg', () => {
  const of = (client: string, delta: number, loss: number) =>
    updateOf(client, [delta], { metrics: { [startLossMetric]: loss } });

  it('[AGG8] of q = 0 is the mean', () => {
    const { state } = aggregate({ name: 'q-fedavg', q: 0, clientLearningRate: 0.1 }, [
      of('a', 1, 5),
      of('b', 3, 0.1),
    ]);
    expect(state.parameters[0]).toBeCloseTo(2, 6);
  });

  it('[AGG8] by hand: q = 1, L = 2', () => {
    // Δ = Σ F·2·Δᵢ / Σ (4·Δᵢ² + 2·F) = (8 + 6) / ((4 + 8) + (36 + 2)).
    const { state } = aggregate({ name: 'q-fedavg', q: 1, clientLearningRate: 0.5 }, [
      of('a', 1, 4),
      of('b', 3, 1),
    ]);
    expect(state.parameters[0]).toBeCloseTo(14 / 50, 6);
  });

  it('[AGG8] needs the loss of the model that was given, and takes one of 0', () => {
    const { report, state } = aggregate({ name: 'q-fedavg', q: 0.5, clientLearningRate: 1 }, [
      of('a', 1, 2),
      updateOf('b', [1]),
      of('c', 1, -1),
      of('d', 0, 0),
    ]);
    expect(report.clients.filter(({ used }) => !used)).toEqual([
      { client: 'b', used: false, reason: 'no-start-loss' },
      { client: 'c', used: false, reason: 'no-start-loss' },
    ]);
    expect(Number.isFinite(state.parameters[0])).toBe(true);
  });
});
