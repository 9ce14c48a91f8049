// Upstream over what this process hosts itself: always there, and the last that is asked for tensors.

import type { TensorMap } from '@skerry/models';
import { err, failure, ok, type Result } from '@skerry/shared';
import type { Upstream } from './upstream.ts';
import type { PoolMember } from './upstream-pool.ts';

export type RunHere = (model: string, inputs: TensorMap) => Promise<Result<TensorMap>>;

/** Behind every server: 0 to 9 are theirs. */
export const embeddedTier = 10;

export function createEmbeddedUpstream(run: RunHere): Upstream {
  return {
    name: 'embedded',
    health: async () => ok(undefined),
    infer: async ({ model, inputs }, { signal }) =>
      signal?.aborted ? err(failure('unavailable', 'the caller has gone')) : run(model, inputs),
  };
}

/** What runs here at once, each model bounds itself. */
export const embeddedMember = (run: RunHere, has: (model: string) => boolean): PoolMember => ({
  upstream: createEmbeddedUpstream(run),
  models: { '*': '*' },
  has,
  tier: embeddedTier,
  weight: 1,
  concurrentMax: Number.POSITIVE_INFINITY,
  always: true,
});
