import { sampleModelAssignment } from '@skerry/sync-protocol/testing';
import type { Health } from '@skerry/sync-protocol/update';
import { describe, expect, it } from 'vitest';
import { planUpdate } from './plan-update.ts';
import { reportOf } from './report-of.ts';
import { type Goal, initialUpdate, type ModelUpdate } from './update-record.ts';
import { transition } from './update-state.ts';

const since = { ranMs: 0, passedMs: 0 };
const terms = sampleModelAssignment({ experiment: { id: 'trial-1', candidateShare: 0.5 } });
const goal: Omit<Goal, 'attempt'> = {
  bundle: terms.bundle.digest,
  version: terms.version,
  counter: 1,
  terms,
  issuedMs: 1_000,
  taken: since,
  fetchDelayMs: 0,
  activateDelayMs: 0,
  arm: 'control',
};
const counted = (requests: number): Health => ({
  overMs: requests,
  requests,
  failures: 0,
  atExit: requests,
  escalated: requests / 10,
  degraded: 0,
  cloud: { answers: requests / 10, agreed: requests / 20 },
  audit: { answers: 0, agreed: 0 },
  latency: { p50Ms: 1, p95Ms: 2 },
  memoryBytes: 1_000,
});
const planAt = (update: ModelUpdate, ranMs: number, requests: number) =>
  planUpdate(update, {
    now: { ranMs, passedMs: ranMs },
    wallMs: 0,
    linkUp: true,
    metered: false,
    health: counted(requests),
  });
const factory = { bundle: `sha256:${'f'.repeat(64)}`, version: '1.0.0', variant: 'int8' };
const assigned = (arm: Goal['arm'] = 'control'): ModelUpdate =>
  transition(
    initialUpdate(factory),
    { kind: 'assign', goal: arm === undefined ? goal : { ...goal, arm } },
    since,
  ).update;
const observed = (update: ModelUpdate, ranMs: number, requests: number): ModelUpdate => {
  const step = planAt(update, ranMs, requests);
  if (step.kind !== 'observe') throw new Error(`expected an observation, not ${step.kind}`);
  return transition(update, { kind: 'observed', evidence: step.evidence }, since).update;
};

describe('the control arm of an experiment', () => {
  it('[UPD19] fetches nothing, and tells how what runs is meanwhile', () => {
    const before = observed(assigned(), 0, 1_000);
    expect(planAt(before, 500, 1_005)).toMatchObject({ kind: 'wait' });
    expect(planAt(before, 1_500, 1_005)).toMatchObject({ kind: 'wait' });
    const after = observed(before, 1_500, 1_100);
    expect(reportOf('digits', after)).toMatchObject({
      state: 'assigned',
      arm: 'control',
      running: factory.bundle,
      baseline: { requests: 1_000 },
      health: { requests: 100, escalated: 10, cloud: { answers: 10, agreed: 5 } },
    });
    expect(planAt(after, 9_999_999, 5_000)).toMatchObject({ kind: 'wait' });
  });

  it('[UPD19] tells what there is when the other arm’s soak would have ended', () => {
    const before = observed(assigned(), 0, 1_000);
    expect(planAt(before, terms.timeouts.soakMs, 1_003)).toMatchObject({
      kind: 'observe',
      evidence: { health: { requests: 3 } },
    });
  });

  it('[UPD19] counts nothing below none where the counts began anew', () => {
    const after = observed(observed(assigned(), 0, 1_000), terms.timeouts.soakMs, 20);
    expect(reportOf('digits', after)?.health).toMatchObject({ requests: 0, cloud: { agreed: 0 } });
  });

  it('[UPD19] is no other arm’s way', () => {
    expect(planAt(assigned('candidate'), 0, 1_000)).toEqual({ kind: 'begin' });
    expect(reportOf('digits', assigned('candidate'))).toMatchObject({ arm: 'candidate' });
  });
});
