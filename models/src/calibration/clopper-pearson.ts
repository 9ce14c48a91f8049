// The exact interval for a probability from successes among trials (Clopper and Pearson, Biometrika 26, 1934): whatever
// the probability, each bound is missed with a chance of at most `delta`.

import { binomialCdf } from './binomial.ts';

export interface Interval {
  readonly lower: number;
  readonly upper: number;
}

/** Each step halves the bracket: more than a double can tell. */
const bisections = 60;

/** [0, 1] where nothing was tried. */
export function clopperPearson(successes: number, trials: number, delta: number): Interval {
  return {
    // P(X ≥ successes) rises with the probability, P(X ≤ successes) falls.
    lower: successes === 0 ? 0 : boundary((p) => 1 - binomialCdf(successes - 1, trials, p) < delta),
    upper: successes >= trials ? 1 : boundary((p) => binomialCdf(successes, trials, p) > delta),
  };
}

/** Where `holds` ends, which holds from 0 on. */
function boundary(holds: (probability: number) => boolean): number {
  let low = 0;
  let high = 1;
  for (let i = 0; i < bisections; i++) {
    const middle = (low + high) / 2;
    if (holds(middle)) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
