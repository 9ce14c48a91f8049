// The latest latencies of one kind of call, and their percentiles: when to hedge, and whether it is worth waiting.

export interface LatencyWindow {
  observe(latencyMs: number): void;
  /** Nearest rank, `share` in (0, 1]; undefined before `samplesMin` samples. */
  quantileMs(share: number): number | undefined;
}

const samplesMaxDefault = 64;
/** Below so many a 95th percentile is the largest sample, whatever it is. */
const samplesMinDefault = 8;

export function createLatencyWindow(
  samplesMax = samplesMaxDefault,
  samplesMin = samplesMinDefault,
): LatencyWindow {
  const samplesMs: number[] = [];
  let next = 0;
  /** Until the next sample. */
  let sortedMs: Float64Array | undefined;
  return {
    observe(latencyMs) {
      samplesMs[next] = latencyMs;
      next = (next + 1) % samplesMax;
      sortedMs = undefined;
    },
    quantileMs(share) {
      if (samplesMs.length < samplesMin) return undefined;
      sortedMs ??= Float64Array.from(samplesMs).sort();
      return sortedMs[Math.max(0, Math.ceil(share * sortedMs.length) - 1)];
    },
  };
}
