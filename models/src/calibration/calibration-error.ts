// Expected calibration error (Guo et al., arXiv 1706.04599, §2): how far confidence and accuracy lie apart, averaged over
// equal bins (lo, hi] of confidence.

const bins = 15;

/** Σ over bins of (share of examples) × |accuracy − mean confidence|. */
export function expectedCalibrationError(
  examples: readonly { readonly confidence: number; readonly correct: boolean }[],
): number {
  const gaps = new Float64Array(bins);
  for (const { confidence, correct } of examples) {
    const bin = Math.max(0, Math.ceil(confidence * bins) - 1);
    gaps[bin] = (gaps[bin] as number) + Number(correct) - confidence;
  }
  return gaps.reduce((sum, gap) => sum + Math.abs(gap), 0) / examples.length;
}
