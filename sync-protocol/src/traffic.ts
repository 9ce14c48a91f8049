// What a session's own Exchanges tell of its link: which share of them is lost, and how much longer each further byte
// takes (an exponentially weighted regression of time on bytes). Nothing is ever sent in order to measure.

/** Weighted means and moments of the latest Exchanges that a Reply came to, and the share that none came to. */
export interface Traffic {
  readonly lossShare: number;
  readonly replies: number;
  readonly meanBytes: number;
  readonly meanMs: number;
  readonly varianceBytes: number;
  readonly varianceMs: number;
  readonly covariance: number;
}

export const noTraffic: Traffic = {
  lossShare: 0,
  replies: 0,
  meanBytes: 0,
  meanMs: 0,
  varianceBytes: 0,
  varianceMs: 0,
  covariance: 0,
};

/** Of each new Exchange: about the last 31 count. */
const weight = 1 / 16;
const repliesMin = 8;
/** The share of the time's variance that bytes must explain (r²) before a bandwidth is believed. */
const explainedMin = 0.5;

export function observeReply(traffic: Traffic, bytes: number, elapsedMs: number): Traffic {
  const lossShare = traffic.lossShare * (1 - weight);
  const replies = traffic.replies + 1;
  if (replies === 1) return { ...traffic, lossShare, replies, meanBytes: bytes, meanMs: elapsedMs };
  const offBytes = bytes - traffic.meanBytes;
  const offMs = elapsedMs - traffic.meanMs;
  // West (1979), as exponentially weighted: the old moments shrink, the new deviation comes in.
  const moved = (moment: number, a: number, b: number): number =>
    (1 - weight) * (moment + weight * a * b);
  return {
    lossShare,
    replies,
    meanBytes: traffic.meanBytes + weight * offBytes,
    meanMs: traffic.meanMs + weight * offMs,
    varianceBytes: moved(traffic.varianceBytes, offBytes, offBytes),
    varianceMs: moved(traffic.varianceMs, offMs, offMs),
    covariance: moved(traffic.covariance, offBytes, offMs),
  };
}

export const observeLoss = (traffic: Traffic): Traffic => ({
  ...traffic,
  lossShare: traffic.lossShare * (1 - weight) + weight,
});

/** Undefined where time has not gone with bytes: a link so fast, or bytes so alike, that it does not matter. */
export function bytesPerSecondOf(traffic: Traffic): number | undefined {
  const { replies, varianceBytes, varianceMs, covariance } = traffic;
  if (replies < repliesMin || covariance <= 0) return undefined;
  if (covariance ** 2 < explainedMin * varianceBytes * varianceMs) return undefined;
  return (1_000 * varianceBytes) / covariance;
}
