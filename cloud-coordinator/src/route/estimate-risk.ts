// How often the confident answers of a model are wrong, from the audits among them: the cloud's answer is taken for the
// truth, for nobody labels these. Pure.

import { clopperPearson } from '@skerry/models';

/** Of one variant's exit, of a device or of the fleet. */
export interface RiskSample {
  readonly audited: number;
  /** The cloud gave another label. */
  readonly disagreed: number;
  /** Of all requests, those answered here with confidence: the calibration's risk is of all. */
  readonly coverage: number;
  /** Of all requests, those whose answer the guarantee does not cover. */
  readonly degradedShare: number;
}

export interface RiskEstimate {
  /** P(answered here and not as the cloud would), with its exact bounds. */
  readonly risk: number;
  readonly lower: number;
  readonly upper: number;
  /** What an app may meet: the controlled risk at its upper bound, and every degraded answer counted as wrong. */
  readonly effectiveRisk: number;
  /** Whether the calibration's ε is exceeded for certain, as far as chance allows. */
  readonly alarm: boolean;
}

/** Of each bound that is shown. */
export const shownDelta = 0.025;
/** Of an alarm, for it is looked at again and again; of many devices each gets its part (Bonferroni). */
const alarmDelta = 0.001;

/** @param watched how many such estimates are looked at together */
export function estimateRisk(
  { audited, disagreed, coverage, degradedShare }: RiskSample,
  epsilon: number | undefined,
  watched: number,
): RiskEstimate {
  const shown = clopperPearson(disagreed, audited, shownDelta);
  const certain = clopperPearson(disagreed, audited, alarmDelta / Math.max(1, watched));
  const upper = coverage * shown.upper;
  return {
    risk: audited === 0 ? 0 : (coverage * disagreed) / audited,
    lower: coverage * shown.lower,
    upper,
    effectiveRisk: Math.min(1, upper + degradedShare),
    alarm: epsilon !== undefined && coverage * certain.lower > epsilon,
  };
}
