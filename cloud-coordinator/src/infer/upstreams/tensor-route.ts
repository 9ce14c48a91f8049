// Where a batch of tensors is computed: by an upstream that offers the model, or here where none can.

import type { TensorMap } from '@skerry/models';
import { err, failure, type Result } from '@skerry/shared';
import type { UpstreamPool } from './upstream-pool.ts';

export type TensorRoute = (
  model: string,
  feeds: TensorMap,
  outputs: readonly string[],
  /** How long somebody waits for it. */
  leftMs: number,
  /** Whether somebody still does. */
  signal?: AbortSignal,
) => Promise<Result<TensorMap>>;

export const createTensorRoute =
  (pool: Pick<UpstreamPool, 'ask'>, timeoutMs: number): TensorRoute =>
  (model, inputs, outputs, leftMs, signal) =>
    pool.ask(
      model,
      'infer',
      { leftMs: Math.min(timeoutMs, leftMs), ...(signal && { signal }) },
      (upstream, theirs, terms) =>
        upstream.infer === undefined
          ? Promise.resolve(err(failure('internal', `${upstream.name} takes no tensors`)))
          : upstream.infer({ model: theirs, inputs, outputs }, terms),
    );
