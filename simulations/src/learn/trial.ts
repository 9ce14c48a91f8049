// One simulated run of federated learning, as data: what is learned from whom, and how. Its JSON names its result, so
// that a sweep which was stopped does again only what it has not done.

import type { StrategyOptionsInput } from '@skerry/cloud-coordinator/strategies';
import type { Compression } from '@skerry/sync-protocol/learn';
import type { Behaviour } from './behaviour.ts';
import type { LearnNetwork } from './learn-network.ts';
import type { LearnGraph } from './learned-model.ts';

export interface Trial {
  readonly name: string;
  readonly data:
    | {
        readonly kind: 'digits';
        /** Of the 60 000; absent: all. */
        readonly count?: number;
        /** Through cameras that hang askew. */
        readonly isAskew?: boolean;
      }
    | { readonly kind: 'synthetic'; readonly alpha: number; readonly beta: number };
  readonly network: LearnNetwork | LearnGraph;
  readonly clients: number;
  /** Absent where the data come dealt. */
  readonly dealt?:
    | { readonly kind: 'evenly' }
    | { readonly kind: 'shards'; readonly each: number }
    | { readonly kind: 'dirichlet' | 'size'; readonly alpha: number };
  readonly perRound: number;
  readonly rounds: number;
  readonly local: LocalWork;
  readonly strategy: StrategyOptionsInput;
  readonly compression?: Compression;
  /** The first `count` clients. */
  readonly malicious?: { readonly count: number; readonly behaviour: Behaviour };
  /** Of the clients of a round, the share that ends after a drawn part of its epochs. */
  readonly stragglers?: number;
  /** In units of a client's half-normal duration. */
  readonly time?:
    | { readonly kind: 'rounds'; readonly overSelection: number }
    | { readonly kind: 'buffered'; readonly concurrency: number };
  /** Central differential privacy; who takes part is drawn by its rate. */
  readonly privacy?: TrialPrivacy;
  /** Every so many rounds, and in the last five; absent: in each. */
  readonly evaluateEvery?: number;
  /** Ends when this accuracy is reached. */
  readonly until?: number;
}

export interface LocalWork {
  readonly epochs: number;
  /** Absent: all of a client's examples at once. */
  readonly batch?: number;
  readonly learningRate: number;
}

export interface TrialPrivacy {
  readonly clip:
    | { readonly kind: 'fixed'; readonly norm: number }
    | { readonly kind: 'adaptive'; readonly initial: number; readonly countNoise: number };
  readonly noiseMultiplier: number;
  readonly samplingRate: number;
  readonly delta: number;
}

/** An evaluation. */
export interface TrialPoint {
  /** How many models there have been: rounds, or changes of an asynchronous run's model. */
  readonly round: number;
  readonly accuracy: number;
  readonly loss: number;
  /** Virtual, where the trial has it. */
  readonly atTime: number;
  readonly bytesUp: number;
  /** Updates that were made so far. */
  readonly updates: number;
  /** Spent so far, where the trial has privacy. */
  readonly epsilon?: number;
}

export interface TrialResult {
  readonly trial: Trial;
  readonly seed: number;
  readonly points: readonly TrialPoint[];
  /** Where a step would have made a model that is not finite: the run ends there. */
  readonly diverged?: string;
  readonly staleness?: { readonly mean: number; readonly most: number };
  /** By the wall's clock, the mean: training, aggregating and evaluating. */
  readonly roundMs: number;
  readonly startedAt: string;
  /** Of the machine, when it began and when it ended. */
  readonly load: readonly [number, number];
}
