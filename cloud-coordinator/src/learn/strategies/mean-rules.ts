// Rules that average: FedAvg, with FedProx's word to the clients, FedNova and q-FedAvg.

import { ok } from '@skerry/shared';
import type { Combined, Rule } from './combined-strategy.ts';
import { type ClientUpdate, type StrategyTraits, startLossMetric } from './strategy.ts';
import { squaredNorm, weightedSum } from './vectors.ts';

export interface MeanOptions {
  /** `uniform` where a bound on one client's part must hold (differential privacy, q·N as divisor). */
  readonly weighting: 'examples' | 'uniform';
  /** What a client says of its examples counts no further. */
  readonly examplesMax: number;
  readonly partialWork: 'keep' | 'drop';
}

const meanTraits: StrategyTraits = {
  takesSums: true,
  asynchronous: false,
  needsControl: false,
  needsStartLoss: false,
  clientsMin: 1,
};

/** Shares that add up to 1. */
export function shareOut(
  updates: readonly ClientUpdate[],
  { weighting, examplesMax }: Pick<MeanOptions, 'weighting' | 'examplesMax'>,
): readonly number[] {
  const weights = updates.map(({ examples }) =>
    weighting === 'uniform' ? 1 : Math.min(examples, examplesMax),
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/** Σ wᵢ·Δᵢ, and what each counted for; `scores` are the rule's own word on each. */
function summed(
  updates: readonly ClientUpdate[],
  weights: readonly number[],
  scores?: readonly number[],
): Combined {
  return {
    delta: weightedSum(
      updates.map(({ delta }) => delta),
      weights,
    ),
    shares: updates.map(({ client }, i) => ({
      client,
      used: true,
      weight: weights[i] as number,
      ...(scores === undefined ? {} : { score: scores[i] as number }),
    })),
  };
}

/** Δ = Σ nᵢ·Δᵢ / Σ nᵢ (McMahan et al., arXiv 1602.05629); with μ, what FedProx asks of clients (arXiv 1812.06127). */
export function weightedMeanRule(options: MeanOptions, proximalMu = 0): Rule {
  return {
    admission: { partialWork: options.partialWork },
    traits: meanTraits,
    configure: () => ({ proximalMu }),
    combine(updates) {
      const weights = shareOut(updates, options);
      return ok(summed(updates, weights));
    },
  };
}

export interface NovaOptions extends MeanOptions {
  /** Of the clients' own SGD. */
  readonly localMomentum: number;
}

/**
 * FedNova (arXiv 2007.07481): Δ = τ_eff · Σ pᵢ·Δᵢ/‖aᵢ‖₁ with τ_eff = Σ pᵢ·‖aᵢ‖₁, so that who has made more steps does not pull
 * the model to an optimum of its own. ‖a‖₁ is the number of steps, or with momentum ρ [τ − ρ(1−ρ^τ)/(1−ρ)]/(1−ρ).
 */
export function fedNovaRule(options: NovaOptions): Rule {
  const rho = options.localMomentum;
  const worth = (steps: number): number =>
    (steps - (rho * (1 - rho ** steps)) / (1 - rho)) / (1 - rho);
  return {
    admission: { partialWork: options.partialWork, needsSteps: true },
    traits: { ...meanTraits, takesSums: false },
    combine(updates) {
      const shares = shareOut(updates, options);
      const worths = updates.map(({ steps }) => worth(steps));
      const effective = shares.reduce((sum, share, i) => sum + share * (worths[i] as number), 0);
      const weights = shares.map((share, i) => (effective * share) / (worths[i] as number));
      return ok(summed(updates, weights, worths));
    },
  };
}

export interface FairOptions {
  /** 0 is the mean; the larger, the more a client with a high loss counts. */
  readonly q: number;
  /** The clients' η; 1/η stands for the Lipschitz constant L. */
  readonly clientLearningRate: number;
  readonly partialWork: 'keep' | 'drop';
}

/** A loss of 0 has no power below 0. */
const lossFloor = 1e-10;

/** q-FedAvg (arXiv 1905.10497, Algorithm 2): Δ = Σ F^q·L·Δᵢ / Σ (q·F^(q−1)·‖L·Δᵢ‖² + L·F^q), F the loss of the model given. */
export function fairRule({ q, clientLearningRate, partialWork }: FairOptions): Rule {
  const lipschitz = 1 / clientLearningRate;
  return {
    admission: { partialWork, needsStartLoss: true },
    traits: { ...meanTraits, takesSums: false, needsStartLoss: true },
    combine(updates) {
      const losses = updates.map(({ metrics }) => (metrics[startLossMetric] ?? 0) + lossFloor);
      const pulls = losses.map((loss) => lipschitz * loss ** q);
      const divisor = updates.reduce(
        (sum, { delta }, i) =>
          sum +
          q * (losses[i] as number) ** (q - 1) * lipschitz ** 2 * squaredNorm(delta) +
          (pulls[i] as number),
        0,
      );
      const weights = pulls.map((pull) => pull / divisor);
      return ok(summed(updates, weights, losses));
    },
  };
}
