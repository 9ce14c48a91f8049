import { createSeededBytes, unwrap } from '@skerry/shared/testing';
import { describe, expect, it } from 'vitest';
import { createStrategy, strategyOptionsSchema } from '../strategies/index.ts';
import type { ClientUpdate } from '../strategies/strategy.ts';
import { centralPrivacySchema } from './central-privacy.ts';
import { aggregatePrivately, checkPrivateStrategy } from './private-aggregate.ts';

const privacy = centralPrivacySchema.parse({
  noiseMultiplier: 1,
  samplingRate: 0.5,
  clients: 1_000,
  clip: { kind: 'fixed', norm: 1 },
});
const strategyOf = (name: string, more: object = {}) =>
  createStrategy(strategyOptionsSchema.parse({ name, ...more }));
const update = (client: string, more: Partial<ClientUpdate> = {}): ClientUpdate => ({
  client,
  examples: 10,
  delta: Float32Array.of(0.6, 0.8),
  metrics: { loss: 1 },
  completed: 1,
  steps: 5,
  staleness: 0,
  ...more,
});
const aggregate = (name: string, updates: readonly ClientUpdate[], seed = 1) => {
  const strategy = strategyOf(name);
  const state = strategy.initialize(new Float32Array(2));
  return aggregatePrivately(
    strategy,
    state,
    { privacy, clip: 1, updates },
    createSeededBytes(seed),
  );
};

describe('a round of a strategy with privacy', () => {
  const updates = Array.from({ length: 500 }, (_, i) => update(`c${i}`));

  it('[PRV8] steps by the private mean, whatever clients claim of their examples', () => {
    const honest = unwrap(aggregate('fedavg', updates));
    expect(Math.abs((honest.state.parameters[0] as number) - 0.6)).toBeLessThan(7 / 500);
    expect(honest.noiseSigma).toBeCloseTo(1 / 500, 12);
    const boasting = updates.map((u, i) => (i === 0 ? { ...u, examples: 1e6 } : u));
    expect(unwrap(aggregate('fedavg', boasting)).state).toEqual(honest.state);
    expect(honest.state.round).toBe(1);
  });

  it('[PRV8] tells nothing of a client, neither its weight nor its metrics', () => {
    const { report } = unwrap(aggregate('fedadam', updates));
    expect(report).toMatchObject({ clients: [], examples: 0, metrics: {}, changed: true });
  });

  it('[PRV7] leaves out what cannot be added, and has noise where nobody came', () => {
    const bad = [
      update('nan', { delta: Float32Array.of(Number.NaN, 0) }),
      update('long', { delta: new Float32Array(3) }),
    ];
    const { report, state } = unwrap(aggregate('fedavg', bad));
    expect(report.clients.map(({ client, reason }) => [client, reason])).toEqual([
      ['long', 'wrong-size'],
      ['nan', 'not-finite'],
    ]);
    expect(state.parameters).toEqual(unwrap(aggregate('fedavg', [])).state.parameters);
    expect(state.parameters.every((x) => x !== 0)).toBe(true);
  });

  it('[PRV8] refuses a strategy that looks at single clients', () => {
    for (const name of ['fedavg', 'fedavgm', 'fedadam', 'fedyogi', 'fedadagrad'])
      expect(checkPrivateStrategy(strategyOf(name)).ok).toBe(true);
    expect(checkPrivateStrategy(strategyOf('fedprox', { proximalMu: 1 })).ok).toBe(true);
    for (const strategy of [
      strategyOf('median'),
      strategyOf('q-fedavg', { q: 1, clientLearningRate: 0.1 }),
    ])
      expect(checkPrivateStrategy(strategy).ok).toBe(false);
    expect(aggregate('median', updates)).toMatchObject({ error: { code: 'invalid_argument' } });
  });
});
