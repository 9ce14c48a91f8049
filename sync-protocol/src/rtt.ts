// The round trip's estimate (RFC 6298 §2): smoothed mean and deviation, and the timeout they give.
// A sample includes the time the coordinator holds its reply for answers, so the timeout allows for it.

export interface Rtt {
  readonly smoothedMs?: number;
  readonly deviationMs?: number;
}

export const timeoutInitialMs = 3_000;
export const timeoutMinMs = 1_000;
export const timeoutMaxMs = 60_000;
/** Before the first sample, an Exchange this old makes the link `stalled`; after it, the estimate decides. */
const stallInitialMs = 1_000;
const stallMinMs = 250;

export function observeRtt({ smoothedMs, deviationMs }: Rtt, sampleMs: number): Rtt {
  if (smoothedMs === undefined || deviationMs === undefined)
    return { smoothedMs: sampleMs, deviationMs: sampleMs / 2 };
  return {
    smoothedMs: smoothedMs + (sampleMs - smoothedMs) / 8,
    deviationMs: deviationMs + (Math.abs(smoothedMs - sampleMs) - deviationMs) / 4,
  };
}

/** How long to wait for a reply on try `attempt` (0 is the first); doubles with each. */
export function timeoutMs(rtt: Rtt, attempt: number): number {
  const firstMs = Math.max(timeoutMinMs, expectedWithinMs(rtt) ?? timeoutInitialMs);
  return Math.min(timeoutMaxMs, firstMs * 2 ** Math.min(attempt, 16));
}

/** An Exchange outstanding for longer than this is no longer on its usual way. */
export function stallAfterMs(rtt: Rtt): number {
  return Math.max(stallMinMs, expectedWithinMs(rtt) ?? stallInitialMs);
}

function expectedWithinMs({ smoothedMs, deviationMs }: Rtt): number | undefined {
  if (smoothedMs === undefined || deviationMs === undefined) return undefined;
  return smoothedMs + 4 * deviationMs;
}
