// How many updates one attempt may have: they lie in memory while they are put together, and whose they are is one event.

import { type LearnPlan, layoutSize } from '@skerry/sync-protocol/learn';
import { clientsMax } from './run-plan.ts';

/** Of a round's updates, decoded. */
export const roundBytesMax = 4 * 1_073_741_824;

type Form = Pick<LearnPlan, 'layout' | 'controlVariates'>;

export const updateSizeOf = ({ layout, controlVariates }: Form): number =>
  layoutSize(layout) * (controlVariates === true ? 8 : 4);

export const updatesMaxOf = (learn: Form): number =>
  Math.min(clientsMax, Math.floor(roundBytesMax / updateSizeOf(learn)));

/**
 * Whether a Poisson sample of so many devices may be larger than that, but for chances of one in a billion: six standard
 * deviations. A sample that is given up for its size is none that an accountant knows.
 */
export function sampleMayExceed(devices: number, share: number, max: number): boolean {
  const deviation = Math.sqrt(devices * share * (1 - share));
  return Math.min(devices, devices * share + 6 * deviation) > max;
}
