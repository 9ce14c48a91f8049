// How long an update can be that a device has clipped as its plan asks: what comes after the clip, noise and compression,
// makes it longer, and a device that has done all of it as it should is not one to quarantine.

import type { RunPlan } from './run-plan.ts';

/** Standard deviations by which the length of noise of so many numbers is not exceeded. */
const deviationsMax = 6;

/** `undefined`: the plan bounds it by nothing. */
export function normMaxOf(
  { screen, work }: Pick<RunPlan, 'screen' | 'work'>,
  size: number,
): number | undefined {
  const { clipNorm, localNoise = 0, compression } = work;
  if (screen.normMax !== undefined || clipNorm === undefined) return screen.normMax;
  const noised = clipNorm * (1 + localNoise * (Math.sqrt(size) + deviationsMax));
  switch (compression.kind) {
    case 'none':
      return noised;
    case 'quantize':
      // Each number is off by one level at most, of which the longest possible tensor has so many.
      return noised * (1 + Math.sqrt(size) / (2 ** (compression.bits - 1) - 1));
    case 'top-k':
      // What was left out before comes later: e ≤ r·(x + e), with r² what of the square is left out at most.
      return compression.errorFeedback ? noised / (1 - Math.sqrt(1 - compression.share)) : noised;
  }
}
