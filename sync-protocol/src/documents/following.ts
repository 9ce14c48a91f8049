// What a follower remembers of one document between two looks at it: whether to ask, what is under way, what was shown
// last. In memory alone: a start asks again.

import type { Heads } from './engine.ts';
import { sameHeads } from './replica.ts';

/** A frame that was sent, and not answered yet. */
interface UnderWay {
  readonly id: number;
  readonly seq: number;
  acknowledgedMs?: number;
}

export interface Following {
  /** Show the hub our heads, whatever it has: it will tell what we lack. */
  asks: boolean;
  underWay?: UnderWay | undefined;
  refusals: number;
  /** The heads shown last; the same ones are not shown again before `againMs`, which waits longer each time. */
  shown: Heads;
  repeats: number;
  againMs: number;
}

/** How often it is looked whether a frame that nobody answers was taken. */
export const pollMs = 5_000;
/** An answer that does not come so long after its frame was acknowledged will not come: something was lost. */
const answerMsMax = 20_000;
const againMsMax = 600_000;

/** [DOC8] A start always asks: whatever was under way when the process ended is forgotten. */
export const newFollowing = (): Following => ({
  asks: true,
  refusals: 0,
  shown: [],
  repeats: 0,
  againMs: Number.NEGATIVE_INFINITY,
});

export const isWaiting = ({ asks, underWay }: Following): boolean => asks || underWay !== undefined;

/** [DOC11] What has been shown and changed nothing is shown again ever more rarely. */
export function mayShow(state: Following, heads: Heads, nowMs: number): boolean {
  const again = sameHeads(state.shown, heads);
  if (again && nowMs < state.againMs) return false;
  state.repeats = again ? state.repeats + 1 : 0;
  state.shown = heads;
  state.againMs = nowMs + Math.min(againMsMax, pollMs * 2 ** Math.min(state.repeats, 20));
  return true;
}

/** One that was acknowledged too long ago is given up, and asked about. */
export function isUnderWay(
  state: Following,
  acknowledged: (seq: number) => boolean,
  nowMs: number,
): boolean {
  const sent = state.underWay;
  if (sent === undefined) return false;
  if (sent.acknowledgedMs === undefined) {
    if (acknowledged(sent.seq)) sent.acknowledgedMs = nowMs;
    return true;
  }
  if (nowMs - sent.acknowledgedMs < answerMsMax) return true;
  state.underWay = undefined;
  state.asks = true;
  return false;
}
