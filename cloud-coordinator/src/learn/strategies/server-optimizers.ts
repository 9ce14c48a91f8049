// What the server does with a round's combined update Δ: it is taken for the negative of a gradient (Reddi et al., Adaptive
// Federated Optimization, arXiv 2003.00295, Algorithm 2). Steps are float64; state is in slots of the parameters' length.
//
//   sgd       x += η·Δ
//   momentum  m = β·m + Δ;  x += η·m, or Nesterov's η·(Δ + β·m)                             (FedAvgM, arXiv 1909.06335)
//   adagrad   v = v + Δ²
//   adam      v = β₂·v + (1−β₂)·Δ²            with m = β₁·m + (1−β₁)·Δ and x += η·m / (√v + τ)
//   yogi      v = v − (1−β₂)·Δ²·sign(v − Δ²)
//
// Paper: no bias correction, v₀ = τ². `secondMomentStart: 'zero'` and `biasCorrection: 'kingma'` (η·√(1−β₂ᵗ)/(1−β₁ᵗ), t from
// 1, arXiv 1412.6980 end of §2) are the other published forms.

import type { Slots, Vector } from './strategy.ts';

export type ServerOptimizerOptions =
  | { readonly kind: 'sgd'; readonly learningRate: number }
  | {
      readonly kind: 'momentum';
      readonly learningRate: number;
      readonly momentum: number;
      readonly nesterov: boolean;
    }
  | ({ readonly kind: 'adagrad' | 'adam' | 'yogi' } & AdaptiveOptions);

export interface AdaptiveOptions {
  readonly learningRate: number;
  readonly beta1: number;
  /** Adagrad has none. */
  readonly beta2?: number | undefined;
  readonly tau: number;
  readonly secondMomentStart: 'tau-squared' | 'zero';
  readonly biasCorrection: 'none' | 'kingma';
}

export interface ServerStep {
  readonly step: Float64Array<ArrayBuffer>;
  readonly slots: Slots;
}

export interface ServerOptimizer {
  initialize(size: number): Slots;
  /** `t`: how many steps there are with this one. */
  apply(delta: Vector, slots: Slots, t: number): ServerStep;
}

export function createServerOptimizer(options: ServerOptimizerOptions): ServerOptimizer {
  switch (options.kind) {
    case 'sgd':
      return {
        initialize: () => ({}),
        apply: (delta) => ({
          step: Float64Array.from(delta, (d) => options.learningRate * d),
          slots: {},
        }),
      };
    case 'momentum':
      return momentumOptimizer(options);
    default:
      return adaptiveOptimizer(options.kind, options);
  }
}

function momentumOptimizer({
  learningRate,
  momentum,
  nesterov,
}: {
  learningRate: number;
  momentum: number;
  nesterov: boolean;
}): ServerOptimizer {
  return {
    initialize: (size) => ({ momentum: new Float64Array(size) }),
    apply(delta, slots) {
      const before = slots['momentum'] ?? new Float64Array(delta.length);
      const m = before.map((value, i) => momentum * value + (delta[i] as number));
      const step = nesterov
        ? m.map((value, i) => learningRate * ((delta[i] as number) + momentum * value))
        : m.map((value) => learningRate * value);
      return { step, slots: { momentum: m } };
    },
  };
}

function adaptiveOptimizer(
  kind: 'adagrad' | 'adam' | 'yogi',
  options: AdaptiveOptions,
): ServerOptimizer {
  const { learningRate, beta1, beta2 = 0, tau, secondMomentStart, biasCorrection } = options;
  const next = {
    adagrad: (v: number, square: number) => v + square,
    adam: (v: number, square: number) => beta2 * v + (1 - beta2) * square,
    yogi: (v: number, square: number) => v - (1 - beta2) * square * Math.sign(v - square),
  }[kind];
  const initialize = (size: number) => ({
    momentum: new Float64Array(size),
    secondMoment: new Float64Array(size).fill(secondMomentStart === 'zero' ? 0 : tau ** 2),
  });
  return {
    initialize,
    apply(delta, slots, t) {
      const fresh = initialize(delta.length);
      const m = (slots['momentum'] ?? fresh.momentum).map(
        (value, i) => beta1 * value + (1 - beta1) * (delta[i] as number),
      );
      const v = (slots['secondMoment'] ?? fresh.secondMoment).map((value, i) =>
        next(value, (delta[i] as number) ** 2),
      );
      const rate =
        biasCorrection === 'none'
          ? learningRate
          : (learningRate * Math.sqrt(1 - beta2 ** t)) / (1 - beta1 ** t);
      const step = m.map((value, i) => {
        const scale = Math.sqrt(v[i] as number) + tau;
        // Nothing has ever moved here: 0/0 where v₀ and τ are 0.
        return scale === 0 ? 0 : (rate * value) / scale;
      });
      return { step, slots: { momentum: m, secondMoment: v } };
    },
  };
}
