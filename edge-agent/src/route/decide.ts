// Where an answer is to come from. Pure: everything it weighs is an argument, and every verdict says why.
// This is the one place where the escalation threshold is applied.

export const policies = [
  'edge-only',
  'edge-then-async',
  'sync-with-deadline',
  'cloud-only',
] as const;
export type Policy = (typeof policies)[number];

/** What the device knows of its way to the cloud; see sync-protocol's session. */
export interface LinkEstimate {
  /** `stalled`: it should have answered by now, and has not. */
  readonly state: 'up' | 'down' | 'stalled';
  /** Smoothed round trip of an Exchange, where one has been seen. */
  readonly rttMs?: number;
  /** Of the latest Exchanges, those that were lost, 0…1. */
  readonly lossShare?: number;
  readonly bytesPerSecond?: number;
}

/** How long the cloud takes for this question, its upload included; absent before enough answers have come. */
export interface CloudEstimate {
  readonly p50Ms?: number;
  readonly p95Ms?: number;
}

/** What the scarcest budget asks for one more escalation: 0 while there is plenty, 1 when nothing is left. */
export interface Price {
  readonly share: number;
  readonly budget: string;
}

export interface DecideInput {
  readonly policy: Policy;
  /** Of the exit just computed, calibrated. */
  readonly confidence: number;
  /** From the variant's calibration; null: this exit is never to be trusted. */
  readonly threshold: number | null;
  /** Whether the device holds a further stage. */
  readonly hasNextEdgeStage: boolean;
  /** Whether the bundle has a stage that the cloud runs. */
  readonly hasCloudStage: boolean;
  readonly deadlineLeftMs: number;
  readonly link: LinkEstimate;
  readonly cloud: CloudEstimate;
  /** The cloud has kept missing deadlines, and it is not yet time to try again. */
  readonly breakerOpen: boolean;
  readonly price: Price;
  /** What the device has to spare itself for. */
  readonly strain?: 'battery' | 'heat';
  /** Chance has drawn this request: if the exit answers it, the cloud checks the answer. */
  readonly drawn: boolean;
  /** How far below its threshold an answer may be to be worth a race against the deadline. */
  readonly raceMargin: number;
}

/** Nothing known of the cloud, nothing that is short, no chance. */
export const unconstrained = {
  cloud: {},
  breakerOpen: false,
  price: { share: 0, budget: '' },
  drawn: false,
  raceMargin: 0,
} as const satisfies Partial<DecideInput>;

export type Decision = { readonly reason: string } & (
  | {
      readonly kind: 'exit';
      /** Answer now, and have the cloud check it. */
      readonly audit: boolean;
    }
  | { readonly kind: 'next-stage' }
  /** Ask the cloud, wait at most `waitMs`, then fall back to this exit. */
  | { readonly kind: 'escalate'; readonly waitMs: number }
  /** This exit's answer now, marked as one the guarantee does not cover; perhaps a better one later. */
  | { readonly kind: 'degraded'; readonly escalate: boolean }
);

/** What an answer still takes on the device after the wait for the cloud is over. */
export const replyReserveMs = 5;

export function decide(input: DecideInput): Decision {
  const { policy, confidence, threshold, hasNextEdgeStage, hasCloudStage, strain } = input;
  const trusted = threshold !== null && confidence >= threshold;
  if (trusted && policy !== 'cloud-only')
    return { kind: 'exit', audit: isAudited(input), reason: 'confident' };
  const here = (reason: string): Decision => ({ kind: 'degraded', escalate: false, reason });
  // Under cloud-only too: the cut that the cloud takes is the last one.
  if (hasNextEdgeStage && (strain !== 'heat' || policy === 'cloud-only'))
    return { kind: 'next-stage', reason: policy === 'cloud-only' ? policy : 'not confident' };
  if (hasNextEdgeStage) return here('the device is hot');
  if (!hasCloudStage) return here('no cloud stage');
  if (policy === 'edge-only') return here('policy edge-only');
  if (strain === 'battery') return here('the battery is low');
  if (!isWorthIt(input)) return here(`budget: ${input.price.budget}`);
  if (policy === 'edge-then-async')
    return { kind: 'degraded', escalate: true, reason: 'policy edge-then-async' };
  return waitOrDegrade(input);
}

/** Only where the cloud could be asked anyway, and never on what is kept for questions. */
function isAudited(input: DecideInput): boolean {
  if (!input.drawn || !input.hasCloudStage || input.policy === 'edge-only') return false;
  return input.strain === undefined && input.price.share === 0;
}

/**
 * An escalation gains at most the chance that this answer is wrong, which a calibrated confidence tells; the scarcer
 * the budget, the more it must gain. So the last of a budget goes to those least sure.
 */
function isWorthIt({ policy, confidence, price }: DecideInput): boolean {
  if (price.share >= 1) return false;
  return policy === 'cloud-only' || 1 - confidence >= price.share;
}

function waitOrDegrade(input: DecideInput): Decision {
  const { link, deadlineLeftMs, policy, breakerOpen, cloud } = input;
  const later = (reason: string): Decision => ({ kind: 'degraded', escalate: true, reason });
  if (link.state !== 'up') return later(`link ${link.state}`);
  if (breakerOpen) return later('the cloud keeps missing deadlines');
  const waitMs = deadlineLeftMs - replyReserveMs;
  const usualMs = cloud.p50Ms ?? link.rttMs ?? 0;
  if (waitMs <= 0 || usualMs > waitMs) return later('deadline shorter than the round trip');
  if ((cloud.p95Ms ?? usualMs) <= waitMs)
    return { kind: 'escalate', waitMs, reason: policy === 'cloud-only' ? policy : 'not confident' };
  return isBorderline(input)
    ? { kind: 'escalate', waitMs, reason: 'race against the deadline' }
    : later('the cloud may miss the deadline');
}

/** In a race the fallback is this exit's answer: good enough to lose with. Under cloud-only there is nothing to weigh. */
function isBorderline({ policy, confidence, threshold, raceMargin }: DecideInput): boolean {
  return policy === 'cloud-only' || (threshold !== null && threshold - confidence <= raceMargin);
}
