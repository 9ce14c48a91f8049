// Whether this device may compute for a round now. Pure: the first reason against it, the gravest first. What a device does
// not tell of itself speaks neither for it nor against.

import type { DeclineReason } from '@skerry/sync-protocol/learn';

export interface Conditions {
  /** Requests inside for a model. */
  readonly waiting: number;
  /** Since the last of them. */
  readonly idleForMs: number;
  /** Undefined: it has no battery that it tells of. */
  readonly batteryShare?: number;
  readonly discharging?: boolean;
  readonly celsius?: number;
  readonly unmetered: boolean;
}

export interface LearnTerms {
  readonly idleMsMin: number;
  /** Only while a battery does not drain. */
  readonly charging: 'required' | 'any';
  /** Below it nothing is computed for others, charging or not. */
  readonly batteryShareMin: number;
  readonly celsiusMax: number;
  readonly metered: 'declines' | 'allowed';
}

export function judgeConditions(
  { waiting, idleForMs, batteryShare, discharging, celsius, unmetered }: Conditions,
  terms: LearnTerms,
): DeclineReason | undefined {
  if (celsius !== undefined && celsius >= terms.celsiusMax) return 'hot';
  if (batteryShare !== undefined && batteryShare < terms.batteryShareMin) return 'battery';
  if (discharging && terms.charging === 'required') return 'not-charging';
  if (!unmetered && terms.metered === 'declines') return 'metered';
  if (waiting > 0) return 'busy';
  return idleForMs < terms.idleMsMin ? 'not-idle' : undefined;
}

/** Reasons that may be gone in a moment: a round that has the time waits for it. */
export const passes: ReadonlySet<DeclineReason> = new Set(['busy', 'not-idle']);
