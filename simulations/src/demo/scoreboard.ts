// What one device has done so far, as its app has seen it.

import type { ClientAnswer } from '../fleet/agent-client.ts';

export interface Scoreboard {
  readonly device: string;
  asked: number;
  answered: number;
  correct: number;
  /** Correct when late answers are counted in the place of the local ones they came after. */
  correctFinally: number;
  atEdgeExit: number;
  /** Passed on to the cloud, whether its answer came in time or not. */
  escalated: number;
  degraded: number;
  late: number;
  failed: number;
  /** Why the latest of them failed. */
  lastFailure?: string;
  /** Ids of requests that were answered locally while a better answer is on its way. */
  readonly pending: Set<string>;
  readonly latenciesMs: number[];
}

export function createScoreboard(device: string): Scoreboard {
  return {
    device,
    asked: 0,
    answered: 0,
    correct: 0,
    correctFinally: 0,
    atEdgeExit: 0,
    escalated: 0,
    degraded: 0,
    late: 0,
    failed: 0,
    pending: new Set(),
    latenciesMs: [],
  };
}

export function scoreAnswer(
  board: Scoreboard,
  id: string,
  answer: ClientAnswer,
  truth: string,
): void {
  board.answered += 1;
  board.latenciesMs.push(answer.latencyMs);
  if (answer.label === truth) {
    board.correct += 1;
    board.correctFinally += 1;
  }
  if (answer.source === 'cloud' || answer.pending) board.escalated += 1;
  if (answer.degraded) board.degraded += 1;
  else if (answer.source !== 'cloud') board.atEdgeExit += 1;
  if (answer.pending) board.pending.add(id);
}

export function scoreLate(
  board: Scoreboard,
  local: string,
  late: string | undefined,
  truth: string,
): void {
  board.late += 1;
  const better = late ?? local;
  board.correctFinally += Number(better === truth) - Number(local === truth);
}

/** The value below which `share` of the samples lie (nearest rank); NaN of none. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = Float64Array.from(samples).sort();
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}
