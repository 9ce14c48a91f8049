// That a collection is this device's own to change: asked before anything is done for a change that it would refuse.

import { err, failure, ok, type Result } from '@skerry/shared';
import type { CollectionThread } from './collections.ts';

/** [TRV6] Fails with `invalid_argument` for one that is the cloud's, or is about to be. */
export async function refuseFollowed(
  thread: Pick<CollectionThread, 'name' | 'snapshot' | 'staged'>,
): Promise<Result<void>> {
  const held = await thread.snapshot();
  if (!held.ok) return held;
  const staged = held.value === undefined ? await thread.staged() : ok([]);
  if (!staged.ok) return staged;
  return held.value === undefined && staged.value.length === 0
    ? ok(undefined)
    : err(followed(thread.name));
}

export const followed = (name: string) =>
  failure('invalid_argument', `'${name}' is the cloud's: it changes with its snapshots`);
