// A replica that is replaced (a new epoch, a refused change) takes its own edits along: three ways, leaf by leaf.
// `base` is what the device saw before its unsynced edits, `mine` with them, `theirs` the document that replaces it. Pure.

import type { Edit, Leaves } from './leaves.ts';

export interface Replay {
  /** Made on top: nobody else has touched these. */
  readonly plain: readonly Edit[];
  /** Made beside theirs, so that the conflict shows: both sides have written. */
  readonly concurrent: readonly Edit[];
}

/** [DOC10] Only what the device itself has edited: a leaf that others deleted comes back by an edit of it alone. */
export function planReplay(own: ReadonlySet<string>, base: Leaves, mine: Leaves, theirs: Leaves) {
  const plain: Edit[] = [];
  const concurrent: Edit[] = [];
  for (const path of own) {
    const was = base.get(path);
    const json = mine.get(path);
    const now = theirs.get(path);
    if (json === was || json === now) continue;
    if (now === was || now === undefined) plain.push({ path, json });
    else if (json !== undefined) concurrent.push({ path, json });
    // else: deleted here and edited there; the edit stays, as it does in any merge.
  }
  return { plain, concurrent } satisfies Replay;
}
