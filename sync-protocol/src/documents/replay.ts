// A replica that is replaced (a new epoch, a refused change) takes its own edits along: three ways, leaf by leaf.
// `base` is what the device saw before its unsynced edits, `own` are these, `theirs` is the document that takes over. Pure.

import type { Edit, Leaves } from './leaves.ts';

export interface Replay {
  /** Made on top: nobody else has touched these. */
  readonly plain: readonly Edit[];
  /** Made beside theirs, so that the conflict shows: both sides have written. */
  readonly concurrent: readonly Edit[];
}

/** The last that the device itself wrote to a leaf. */
export interface OwnEdit {
  readonly json: string | undefined;
  /** Made beside what others had, not upon it. */
  readonly beside: boolean;
  /** What others wrote that it was made upon, and what takes over need not know: a relay brought it. */
  readonly upon: readonly string[];
}

/** [DOC10] Only what the device itself has edited: a leaf that others deleted comes back by an edit of it alone. */
export function planReplay(
  own: ReadonlyMap<string, OwnEdit>,
  base: Leaves,
  theirs: Leaves,
): Replay {
  const plain: Edit[] = [];
  const concurrent: Edit[] = [];
  for (const [path, { json, beside, upon }] of own) {
    const was = base.get(path);
    const now = theirs.get(path);
    if (json === now || (json === was && !beside && upon.length === 0)) continue;
    const isKnown = now === was || (now !== undefined && upon.includes(now));
    if (now === undefined || (isKnown && !beside)) plain.push({ path, json });
    else if (json !== undefined) concurrent.push({ path, json });
    // else: deleted here and edited there; the edit stays, as it does in any merge.
  }
  return { plain, concurrent };
}
