// What the main thread and a worker of onnx-native say to each other by message. A run whose tensors fit goes through
// the run slot instead, and is answered with its bare id.

import type { Failure } from '@skerry/shared';
import type { TensorMap, TensorSpec } from '../tensor.ts';
import type { Execution, ExecutionProvider } from './execution-provider.ts';
import type { SlotMemory } from './run-slot.ts';
import type { LoadOptions } from './runtime.ts';

/** What a worker is started with. */
export interface WorkerStart {
  readonly slot: SlotMemory;
  readonly executionProviders: readonly ExecutionProvider[];
  /** A provider is taken that is slower than the cpu. */
  readonly takesSlower: boolean;
  /** Of all workers of this process: see device-turn.ts. */
  readonly turn: SharedArrayBuffer;
}

export type WorkerRequest = { readonly id: number } & (
  | { readonly kind: 'load'; readonly model: Uint8Array; readonly options: LoadOptions }
  | { readonly kind: 'run'; readonly session: number; readonly feeds: TensorMap }
  | { readonly kind: 'unload'; readonly session: number }
  /** Closes all sessions and the thread; nothing is answered. */
  | { readonly kind: 'end' }
);

export interface LoadedSession {
  readonly session: number;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly execution: Execution;
}

export type WorkerReply = { readonly id: number } & (
  | { readonly kind: 'failed'; readonly failure: Failure }
  | { readonly kind: 'loaded'; readonly loaded: LoadedSession }
  | { readonly kind: 'ran'; readonly results: TensorMap }
  | { readonly kind: 'unloaded' }
  /** Answers nothing: what the session of this id runs on from now on. */
  | { readonly kind: 'left'; readonly execution: Execution }
);

/** Below this a copy is cheaper than moving the buffer. */
const transferBytesMin = 32_768;

/**
 * The tensors as they may be posted, and the buffers to move. A view over part of a buffer is cut out first: posting
 * it as it is would copy, or detach, the whole of what lies under it.
 */
export function toPost(tensors: TensorMap): { tensors: TensorMap; transfer: ArrayBuffer[] } {
  const posted: Record<string, TensorMap[string]> = {};
  const transfer: ArrayBuffer[] = [];
  for (const [name, tensor] of Object.entries(tensors)) {
    const whole = tensor.data.byteLength === tensor.data.buffer.byteLength;
    const data = whole ? tensor.data : tensor.data.slice();
    posted[name] = { datatype: tensor.datatype, shape: tensor.shape, data };
    if (data.byteLength >= transferBytesMin) transfer.push(data.buffer as ArrayBuffer);
  }
  return { tensors: posted, transfer };
}
