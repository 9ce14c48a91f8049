// How often an answer that a look-alike got is not the one that it would have got, from those that were computed all the
// same. Pure.

import { clopperPearson } from '@skerry/models';
import type { JudgedHits } from './answer-store.ts';

export interface FalseHits extends JudgedHits {
  readonly share: number;
  /** Exact bounds, each missed with a chance of 2.5 % at most. */
  readonly lower: number;
  readonly upper: number;
  /** Why look-alikes are not served any more. */
  readonly disabled?: string;
}

const boundDelta = 0.025;

/** @param shareMax of the look-alikes, those that may be answered wrongly */
export function estimateFalseHits(hits: JudgedHits, shareMax: number): FalseHits {
  const { judged, wrong } = hits;
  const { lower, upper } = clopperPearson(wrong, judged, boundDelta);
  // Looked at again and again the bound errs more often than once: to the side on which nobody gets a wrong answer.
  const isOver = lower > shareMax;
  const percent = (share: number): string => `${Number((100 * share).toFixed(2))} %`;
  const why = `of ${judged} look-alikes that were computed all the same ${wrong} had another answer: at least ${percent(lower)} are wrong, and ${percent(shareMax)} may be`;
  return {
    ...hits,
    share: judged === 0 ? 0 : wrong / judged,
    lower,
    upper,
    ...(isOver ? { disabled: why } : {}),
  };
}
