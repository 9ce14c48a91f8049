// The port to whoever computes for this coordinator: the models it hosts itself, a server of the Open Inference Protocol,
// one with OpenAI's API, or a file of answers. An upstream has a method for what it can do. One contract suite runs
// against each. All fail with `model_not_found` or an argument's code for what it will never answer, and retryably for
// what it cannot answer now.

import type { TensorMap, TensorSpec } from '@skerry/models';
import type { TextServer } from '@skerry/models/openai';
import type { Result } from '@skerry/shared';

/** How long the answer is of use, and whether somebody still waits for it. */
export interface Terms {
  readonly leftMs: number;
  readonly signal?: AbortSignal;
}

export interface TensorAsk {
  readonly model: string;
  readonly inputs: TensorMap;
  /** Outputs that are wanted; all where it is absent. */
  readonly outputs?: readonly string[];
}

/** What a server says of one of its models. */
export interface DescribedModel {
  readonly version: string;
  readonly platform: string;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly ready: boolean;
}

/** `list`: the names of the models that it has, where it tells them. */
export interface Upstream extends Partial<Pick<TextServer, 'list' | 'chat' | 'embed'>> {
  readonly name: string;
  /** Whether it takes requests now. */
  health(terms: Terms): Promise<Result<void>>;
  infer?(ask: TensorAsk, terms: Terms): Promise<Result<TensorMap>>;
  describe?(model: string, terms: Terms): Promise<Result<DescribedModel>>;
}
