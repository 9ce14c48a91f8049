// What a client that means harm does to the round it is in.

import type { Random } from '@skerry/shared';

/**
 * `sign-flip`: its update, ten times as large and the other way. `noise`: standard normal numbers for an update.
 * `label-flip`: it trains honestly, on labels 9 − y.
 */
export type Behaviour = 'sign-flip' | 'noise' | 'label-flip';

const flipTimes = -10;

export const labelsOf = (labels: Int32Array, behaviour: Behaviour | undefined): Int32Array =>
  behaviour === 'label-flip' ? labels.map((label) => 9 - label) : labels;

export function sentUpdate(
  delta: Float32Array<ArrayBuffer>,
  behaviour: Behaviour | undefined,
  random: Random,
): Float32Array<ArrayBuffer> {
  if (behaviour === 'sign-flip') return delta.map((value) => flipTimes * value);
  if (behaviour === 'noise') return delta.map(() => random.gaussian());
  return delta;
}
