/** The share of cut values that UINT8 holds without clipping; the rest are clipped, which lends the others resolution. */
const coveredShare = 0.9999;

/** The scale at which 255 stands for the quantile of the values, all ≥ 0. */
export function chooseCutScale(values: Float32Array): number {
  const sorted = values.toSorted();
  const covered = sorted[Math.floor((sorted.length - 1) * coveredShare)] as number;
  return covered > 0 ? covered / 255 : 1 / 255;
}
