import { unwrap } from '@skerry/shared/testing';
import { describe, expect, it } from 'vitest';
import { updateOf } from '../../testing/sample-update.ts';
import { createStrategy } from './create-strategy.ts';
import type { StrategyState } from './strategy.ts';
import { strategyOptionsSchema } from './strategy-options.ts';

// Two clients whose optima, and whose curvature, differ: ½·a·(x − b)². All together: Σ a·b / Σ a = 4.
const clients = [
  { name: 'a', curvature: 1, optimum: 0 },
  { name: 'b', curvature: 4, optimum: 5 },
];
const optimum = 4;
const steps = 10;
const rate = 0.1;

/** Local steps of gradient descent as a client makes them, with its control variate (option II of the paper). */
function train(
  { curvature, optimum: best }: (typeof clients)[number],
  from: number,
  correction: number,
): number {
  let x = from;
  for (let k = 0; k < steps; k++) x -= rate * (curvature * (x - best) + correction);
  return x;
}

describe('SCAFFOLD', () => {
  const strategy = createStrategy(strategyOptionsSchema.parse({ name: 'scaffold', clients: 2 }));

  it('[AGG10] finds the optimum of all where FedAvg stays away from it', () => {
    const own = new Map(clients.map(({ name }) => [name, 0]));
    let state: StrategyState = strategy.initialize(Float32Array.of(0));
    for (let round = 0; round < 60; round++) {
      const c = strategy.configureTrain(state).control?.[0] ?? Number.NaN;
      const from = state.parameters[0] as number;
      const updates = clients.map((client) => {
        const ci = own.get(client.name) ?? 0;
        const delta = train(client, from, c - ci) - from;
        const moved = -c - delta / (steps * rate);
        own.set(client.name, ci + moved);
        return updateOf(client.name, [delta], { control: Float32Array.of(moved) });
      });
      state = unwrap(strategy.aggregateTrain(state, updates)).state;
    }
    expect(state.parameters[0]).toBeCloseTo(optimum, 3);

    const plain = createStrategy(strategyOptionsSchema.parse({ name: 'fedavg' }));
    let without: StrategyState = plain.initialize(Float32Array.of(0));
    for (let round = 0; round < 60; round++) {
      const from = without.parameters[0] as number;
      const updates = clients.map((client) =>
        updateOf(client.name, [train(client, from, 0) - from]),
      );
      without = unwrap(plain.aggregateTrain(without, updates)).state;
    }
    expect(Math.abs((without.parameters[0] ?? 0) - optimum)).toBeGreaterThan(0.5);
  });

  it('[AGG10] moves its control variate by the share of clients that came', () => {
    const many = createStrategy(strategyOptionsSchema.parse({ name: 'scaffold', clients: 10 }));
    const control = (value: number) => ({ control: Float32Array.of(value), examples: 99 });
    const { state } = unwrap(
      many.aggregateTrain(many.initialize(Float32Array.of(0)), [
        updateOf('a', [1], control(4)),
        updateOf('b', [3], { ...control(2), examples: 1 }),
      ]),
    );
    // The plain mean, whatever clients say of their examples.
    expect(state.parameters[0]).toBe(2);
    expect(state.slots['control']?.[0]).toBeCloseTo((2 / 10) * 3, 12);
    expect(many.configureTrain(state).control).toEqual(Float32Array.of(0.6));
  });

  it('[AGG10] leaves out who does not tell by how much its own has moved', () => {
    const { report } = unwrap(
      strategy.aggregateTrain(strategy.initialize(Float32Array.of(0)), [
        updateOf('a', [1], { control: Float32Array.of(1) }),
        updateOf('b', [1]),
        updateOf('c', [1], { control: Float32Array.of(1, 2) }),
        updateOf('d', [1], { control: Float32Array.of(Number.NaN) }),
      ]),
    );
    expect(report.clients.map(({ reason }) => reason)).toEqual([
      undefined,
      'no-control',
      'no-control',
      'not-finite',
    ]);
  });
});
