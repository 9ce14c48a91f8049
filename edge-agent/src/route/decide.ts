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
}

export type Decision = { readonly reason: string } & (
  | { readonly kind: 'exit' }
  | { readonly kind: 'next-stage' }
  /** Ask the cloud, wait at most `waitMs`, then fall back to this exit. */
  | { readonly kind: 'escalate'; readonly waitMs: number }
  /** This exit's answer now, marked as one the guarantee does not cover; perhaps a better one later. */
  | { readonly kind: 'degraded'; readonly escalate: boolean }
);

/** What an answer still takes on the device after the wait for the cloud is over. */
export const replyReserveMs = 5;

export function decide(input: DecideInput): Decision {
  const { policy, confidence, threshold, hasNextEdgeStage, hasCloudStage } = input;
  const trusted = threshold !== null && confidence >= threshold;
  if (trusted && policy !== 'cloud-only') return { kind: 'exit', reason: 'confident' };
  // Under cloud-only too: the cut that the cloud takes is the last one.
  if (hasNextEdgeStage)
    return { kind: 'next-stage', reason: policy === 'cloud-only' ? policy : 'not confident' };
  if (!hasCloudStage) return { kind: 'degraded', escalate: false, reason: 'no cloud stage' };
  if (policy === 'edge-only')
    return { kind: 'degraded', escalate: false, reason: 'policy edge-only' };
  if (policy === 'edge-then-async')
    return { kind: 'degraded', escalate: true, reason: 'policy edge-then-async' };
  return waitOrDegrade(input);
}

function waitOrDegrade({ link, deadlineLeftMs, policy }: DecideInput): Decision {
  const later = (reason: string): Decision => ({ kind: 'degraded', escalate: true, reason });
  if (link.state !== 'up') return later(`link ${link.state}`);
  const waitMs = deadlineLeftMs - replyReserveMs;
  if (waitMs <= 0 || (link.rttMs !== undefined && link.rttMs > waitMs))
    return later('deadline shorter than the round trip');
  return { kind: 'escalate', waitMs, reason: policy === 'cloud-only' ? policy : 'not confident' };
}
