// FedBuff (Nguyen et al., arXiv 2106.06639, Algorithm 1): updates are taken as they come, each by how old its base is, and every K of
// them make a model: Δ = (1/K)·Σ s(τᵢ)·Δᵢ with s(τ) = (1 + τ)^−½. A fresh update counts whole, s(0) = 1, and the divisor is K and
// not Σ s, so that a buffer of old updates makes a small step. The buffer is part of the state: a journal replays it.

import { err, failure, ok, type Result } from '@skerry/shared';
import { admitUpdates, whyNotAdmitted } from './admit-updates.ts';
import { aggregateEvaluate, weightedMetrics } from './aggregate-evaluate.ts';
import { notUsed, tooFew } from './combined-strategy.ts';
import type { ServerOptimizer } from './server-optimizers.ts';
import type { Aggregated, ClientShare, ClientUpdate, Strategy, StrategyState } from './strategy.ts';
import { isFiniteVector, norm } from './vectors.ts';

export interface BufferOptions {
  /** K. */
  readonly bufferSize: number;
  /** a of s(τ) = (1 + τ)^−a. */
  readonly stalenessExponent: number;
  /** Older ones are not taken. */
  readonly stalenessMax: number;
  readonly partialWork: 'keep' | 'drop';
}

export const stalenessWeight = (staleness: number, exponent = 0.5): number =>
  (1 + staleness) ** -exponent;

export function bufferedStrategy(
  name: string,
  options: BufferOptions,
  optimizer: ServerOptimizer,
): Strategy {
  const { partialWork, stalenessMax } = options;
  return {
    name,
    traits: {
      takesSums: false,
      asynchronous: true,
      needsControl: false,
      needsStartLoss: false,
      clientsMin: 1,
    },
    initialize: (parameters) => ({
      parameters: Float32Array.from(parameters),
      round: 0,
      slots: {
        buffer: new Float64Array(parameters.length),
        buffered: Float64Array.of(0),
        ...optimizer.initialize(parameters.length),
      },
    }),
    configureTrain: () => ({ proximalMu: 0, personal: [] }),
    whyLeftOut: (update, size) => whyNotAdmitted(update, { size, partialWork, stalenessMax }),
    aggregateTrain: (state, all) => takeUpdates(name, options, optimizer, state, all),
    configureEvaluate: () => ({ personal: [] }),
    aggregateEvaluate: (results) => aggregateEvaluate(results),
  };
}

function takeUpdates(
  name: string,
  options: BufferOptions,
  optimizer: ServerOptimizer,
  state: StrategyState,
  all: readonly ClientUpdate[],
): Result<Aggregated> {
  const size = state.parameters.length;
  const { partialWork, stalenessMax } = options;
  const admitted = admitUpdates(all, { size, partialWork, stalenessMax, repeats: true });
  const { updates } = admitted;
  if (updates.length === 0) return err(tooFew(name, 1, admitted));
  let { parameters, round, slots } = state;
  let buffer = Float64Array.from(slots['buffer'] ?? new Float64Array(size));
  let buffered = slots['buffered']?.[0] ?? 0;
  const norms = { delta: 0, step: 0 };
  const shares: ClientShare[] = [];
  for (const { client, delta, staleness } of updates) {
    const weight = stalenessWeight(staleness, options.stalenessExponent);
    for (let i = 0; i < size; i++)
      buffer[i] = (buffer[i] as number) + weight * (delta[i] as number);
    buffered++;
    shares.push({ client, used: true, weight: weight / options.bufferSize, score: staleness });
    if (buffered < options.bufferSize) continue;
    const mean = buffer.map((value) => value / options.bufferSize);
    const { step, slots: stepped } = optimizer.apply(mean, slots, round + 1);
    parameters = parameters.map((value, i) => value + (step[i] as number));
    round++;
    slots = { ...slots, ...stepped };
    norms.delta = norm(mean);
    norms.step = norm(step);
    buffer = new Float64Array(size);
    buffered = 0;
  }
  if (!isFiniteVector(parameters) || !Object.values(slots).every(isFiniteVector))
    return err(failure('runtime_failed', `${name}: the model of round ${round} is not finite`));
  return ok({
    state: {
      parameters,
      round,
      slots: { ...slots, buffer, buffered: Float64Array.of(buffered) },
    },
    report: {
      strategy: name,
      round,
      changed: round > state.round,
      clients: [...shares, ...notUsed(admitted)],
      examples: updates.reduce((sum, { examples }) => sum + examples, 0),
      deltaNorm: norms.delta,
      stepNorm: norms.step,
      metrics: weightedMetrics(updates),
    },
  });
}
