// Who computes on this device. Port: adapters/ has it, and its contract suite is models' own.

import type { Result } from '@skerry/shared';
import type { LearnPlan } from '@skerry/sync-protocol/learn';
import type { Examples } from './examples.ts';

/** The model that this device runs, as far as it may be trained. */
export interface DeviceGraph {
  /** Of the variant that it is of. */
  readonly digest: string;
  /** ONNX. */
  readonly model: Uint8Array;
  /** The output that holds the logits. */
  readonly logits: string;
}

export interface TrainWork {
  readonly plan: LearnPlan;
  /** What it begins with. */
  readonly parameters: Float32Array;
  /** SCAFFOLD's c − cᵢ, which is added to each gradient. */
  readonly correction?: Float32Array;
  readonly seed: number;
}

export interface Trained {
  /** What training has added. */
  readonly delta: Float32Array<ArrayBuffer>;
  readonly examples: number;
  readonly steps: number;
  /** The share of the asked steps that were taken. */
  readonly completed: number;
  /** Mean over the steps. */
  readonly loss: number;
}

export interface Evaluated {
  readonly examples: number;
  readonly loss: number;
  /** The share that is answered right. */
  readonly accuracy: number;
}

export interface LocalTrainer {
  /**
   * An aborted one ends with what is done. Fails with `not_found` for a network or a graph that it has not, with
   * `invalid_argument` where plan, parameters or examples do not fit it, and as a runtime does.
   */
  train(work: TrainWork, examples: Examples, signal: AbortSignal): Promise<Result<Trained>>;
  /** Fails as `train`. */
  evaluate(
    work: Pick<TrainWork, 'plan' | 'parameters'>,
    examples: Examples,
  ): Promise<Result<Evaluated>>;
}
