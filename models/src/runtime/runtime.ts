// The port to whatever executes a variant. Adapters: onnx-native (a worker thread over onnxruntime-node),
// onnx-wasm (onnxruntime-web). One contract suite (testing/runtime-contract.ts) runs against each.

import type { Result } from '@skerry/shared';
import type { TensorMap, TensorSpec } from '../tensor.ts';
import type { Execution, ExecutionProvider } from './execution-provider.ts';

export interface LoadOptions {
  /** Threads inside one operator. */
  readonly threads?: number;
  /**
   * Inputs as it will be given them, the largest last: by them a provider is held against the cpu. Without any, noise is taken.
   */
  readonly samples?: readonly TensorMap[];
  /** Of the largest batch that it will be given; 1 where nothing is said. */
  readonly rows?: number;
}

export interface Session {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** What runs it now: one that fails while it runs is left for the cpu. */
  execution(): Execution;
  /**
   * Runs the graph once. The caller must not touch the feeds' buffers afterwards: they may be moved.
   * Fails with `invalid_tensor` (feeds do not match `inputs`), `runtime_failed`, or `unavailable` (closed).
   */
  run(feeds: TensorMap): Promise<Result<TensorMap>>;
  close(): Promise<void>;
}

export interface Runtime {
  readonly name: string;
  /** In the order of preference; the last is what is left where no other serves. */
  readonly executionProviders: readonly ExecutionProvider[];
  /** Fails with `invalid_bundle` where the bytes are no model that this runtime can run. */
  load(model: Uint8Array, options?: LoadOptions): Promise<Result<Session>>;
  close(): Promise<void>;
}
