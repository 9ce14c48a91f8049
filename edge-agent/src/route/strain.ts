// Whether the device has to spare itself. Pure; where a target tells nothing of its battery or heat, it never has to.

import type { DecideInput } from './decide.ts';

export interface PowerReading {
  /** What is left of the battery, 0…1. */
  readonly batteryShare?: number;
  readonly discharging?: boolean;
  /** Of the hottest zone. */
  readonly celsius?: number;
}

export interface StrainLimits {
  readonly batteryShareMin: number;
  readonly celsiusMax: number;
}

/** A low battery goes first: it ends all there is, heat only slows it. */
export function strainOf(
  { batteryShare, discharging, celsius }: PowerReading,
  { batteryShareMin, celsiusMax }: StrainLimits,
): DecideInput['strain'] {
  if (discharging && batteryShare !== undefined && batteryShare < batteryShareMin) return 'battery';
  if (celsius !== undefined && celsius >= celsiusMax) return 'heat';
  return undefined;
}
