// The port to whatever executes a variant. Adapters: onnx-native (a worker thread over onnxruntime-node),
// onnx-wasm (onnxruntime-web). One contract suite (testing/runtime-contract.ts) runs against each.

import type { Result } from '@skerry/shared';
import type { TensorMap, TensorSpec } from '../tensor.ts';

export interface LoadOptions {
  /** Threads inside one operator. */
  readonly threads?: number;
}

export interface Session {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /**
   * Runs the graph once. The caller must not touch the feeds' buffers afterwards: they may be moved.
   * Fails with `invalid_tensor` (feeds do not match `inputs`), `runtime_failed`, or `unavailable` (closed).
   */
  run(feeds: TensorMap): Promise<Result<TensorMap>>;
  close(): Promise<void>;
}

export interface Runtime {
  readonly name: string;
  /** Fails with `invalid_bundle` where the bytes are no model that this runtime can run. */
  load(model: Uint8Array, options?: LoadOptions): Promise<Result<Session>>;
  close(): Promise<void>;
}
