// When an exit is trusted, in a few words.

import type { ExitRule } from '../calibration/exit-rule.ts';

export function trustedFrom({ threshold, thresholds = [threshold] }: ExitRule): string {
  const known = thresholds.filter((each) => each !== null);
  if (known.length === 0) return 'never trusted';
  const [least, most] = [Math.min(...known), Math.max(...known)].map((each) => each.toFixed(3));
  const from = `confidence ≥ ${least === most ? least : `${least}…${most} by class`}`;
  const never = thresholds.length - known.length;
  return never === 0 ? from : `${from}, ${never} of ${thresholds.length} classes never`;
}
