// The arm of an experiment that keeps what runs: it fetches nothing, and tells how the incumbent is over the time in which
// the other arm tries the candidate, so that what changes for both is not taken for the candidate's doing.

import type { Health } from '@skerry/sync-protocol/update';
import type { Step, UpdateWorld } from './plan-update.ts';
import type { UpdateRecord } from './update-record.ts';

export function planControl(
  { goal, since, evidence }: Extract<UpdateRecord, { kind: 'assigned' }>,
  { now, health }: UpdateWorld,
): Step {
  const reason = 'in the arm of an experiment that keeps what runs';
  if (health === undefined || evidence?.health !== undefined) return { kind: 'wait', reason };
  const baseline = evidence?.baseline;
  if (baseline === undefined) return { kind: 'observe', evidence: { baseline: health } };
  const { soak, timeouts } = goal.terms;
  const ranMs = now.ranMs - since.ranMs;
  const seen = healthSince(health, baseline);
  const isEnough = ranMs >= soak.forMs && seen.requests >= soak.requestsMin;
  // As the other arm's, it ends: then by what there is.
  return isEnough || ranMs >= timeouts.soakMs
    ? { kind: 'observe', evidence: { baseline, health: seen } }
    : { kind: 'wait', reason, untilRanMs: since.ranMs + soak.forMs };
}

/** Counts since `before`; what was counted anew meanwhile is not counted twice, nor below none. */
function healthSince(now: Health, before: Health): Health {
  const less = (one: number, other: number): number => Math.max(0, one - other);
  const judged = (by: 'cloud' | 'audit') => {
    const answers = less(now[by].answers, before[by].answers);
    return { answers, agreed: Math.min(answers, less(now[by].agreed, before[by].agreed)) };
  };
  return {
    overMs: less(now.overMs, before.overMs),
    requests: less(now.requests, before.requests),
    failures: less(now.failures, before.failures),
    atExit: less(now.atExit, before.atExit),
    escalated: less(now.escalated, before.escalated),
    degraded: less(now.degraded, before.degraded),
    cloud: judged('cloud'),
    audit: judged('audit'),
    latency: now.latency,
    memoryBytes: now.memoryBytes,
  };
}
