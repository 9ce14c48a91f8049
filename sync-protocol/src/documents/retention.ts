// When a document leaves its past behind: when it is too large, or too old. Pure. A date may be wrong, on this coordinator
// or on the other one of its database, and must not keep all followers busy: by age an epoch begins only so often, by a
// clock that never jumps.

import type { DocumentState } from './replica.ts';

export interface RetentionLimits {
  /** Of a document's stored past. */
  readonly historyBytesMax: number;
  /** From the first change past an epoch's beginning on. Whoever was away for longer takes the document as it then is. */
  readonly horizonMs: number;
  /** Between two epochs of a document that begin by age, and after a start. */
  readonly epochGapMs: number;
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

export const retentionLimits: RetentionLimits = {
  historyBytesMax: 2 * 1024 * 1024,
  horizonMs: 90 * dayMs,
  epochGapMs: hourMs,
};

/**
 * [DOC9, DOC16] Why a document has to begin a new epoch, if it has to. One without a past is never too old.
 * @param sinceBegunMs how long ago, by a clock that never jumps, one began by age here, or the process
 */
export function whyBeginEpoch(
  { bytes, sinceMs }: Pick<DocumentState, 'bytes' | 'sinceMs'>,
  { historyBytesMax, horizonMs, epochGapMs }: RetentionLimits,
  nowMs: number,
  sinceBegunMs: number,
): 'size' | 'age' | undefined {
  if (bytes > historyBytesMax) return 'size';
  const isOld = sinceMs !== undefined && nowMs - sinceMs >= horizonMs;
  return isOld && sinceBegunMs >= epochGapMs ? 'age' : undefined;
}
