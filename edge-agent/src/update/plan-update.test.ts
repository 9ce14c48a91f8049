import { type Clock, createRandom } from '@skerry/shared';
import { sampleModelAssignment } from '@skerry/sync-protocol/testing';
import type { Health } from '@skerry/sync-protocol/update';
import { describe, expect, it } from 'vitest';
import { judgeHealth } from './judge-health.ts';
import { createOdometer } from './odometer.ts';
import { isMaintained, planUpdate, type ShadowProgress, type UpdateWorld } from './plan-update.ts';
import { type Goal, initialUpdate, type ModelUpdate, type UpdateRecord } from './update-record.ts';

const since = { ranMs: 0, passedMs: 0 };
const moved = { bytes: 0, fullBytes: 0, way: 'none' } as const;
const terms = sampleModelAssignment({
  timeouts: { fetchMs: 60_000, shadowMs: 50_000, activateMs: 40_000, soakMs: 30_000 },
});

const goalOf = (more: Partial<Goal> = {}): Goal => ({
  bundle: terms.bundle.digest,
  version: terms.version,
  counter: 1,
  attempt: 1,
  terms,
  issuedMs: 1_000,
  taken: since,
  fetchDelayMs: 0,
  activateDelayMs: 0,
  ...more,
});

function health(more: Partial<Health> = {}): Health {
  return {
    overMs: 1_000,
    requests: 100,
    failures: 0,
    atExit: 80,
    escalated: 20,
    degraded: 0,
    cloud: { answers: 20, agreed: 18 },
    audit: { answers: 0, agreed: 0 },
    latency: { p50Ms: 1, p95Ms: 2 },
    memoryBytes: 1_000,
    ...more,
  };
}

const update = (state: UpdateRecord): ModelUpdate => ({ ...initialUpdate(undefined), state });
const world = (ranMs: number, more: Partial<UpdateWorld> = {}): UpdateWorld => ({
  now: { ranMs, passedMs: ranMs },
  wallMs: 5_000,
  linkUp: true,
  metered: false,
  ...more,
});

const under = (kind: 'assigned' | 'fetching', goal: Partial<Goal> = {}): ModelUpdate =>
  update({ kind, goal: goalOf(goal), since });
const held = (kind: 'staged' | 'shadowing', goal: Partial<Goal> = {}): ModelUpdate =>
  update({ kind, goal: goalOf(goal), since, slot: 'a', moved });
const last = (
  kind: 'activating' | 'soaking',
  goal: Partial<Goal> = {},
  baseline?: Health,
): ModelUpdate =>
  update({
    kind,
    goal: goalOf(goal),
    since,
    slot: 'a',
    moved,
    evidence: baseline ? { baseline } : {},
  });
const rolledBack = (attempt: number, code: 'health' | 'timeout'): ModelUpdate =>
  update({
    kind: 'rolled-back',
    goal: goalOf({ attempt }),
    since,
    reason: { code, message: 'why' },
    ran: false,
    evidence: {},
  });

describe('the plan', () => {
  it('[UPD7] ends each state under way, with a reason, and whatever holds it', () => {
    const cases: [ModelUpdate, number, string][] = [
      [under('assigned', { fetchDelayMs: 5_000 }), 65_000, 'timeout'],
      [under('fetching'), 60_000, 'timeout'],
      [held('staged'), 60_000, 'timeout'],
      [held('shadowing'), 50_000, 'timeout'],
      [last('activating', { activateDelayMs: 5_000 }), 45_000, 'timeout'],
      [last('soaking'), 30_000, 'insufficient-data'],
    ];
    const holds = { busy: 'fetching', hold: { untilRanMs: 1e9, reason: 'no disk' }, linkUp: false };
    for (const [of, endsMs, code] of cases) {
      expect(planUpdate(of, world(endsMs - 1, holds))).toMatchObject({
        kind: 'wait',
        reason: expect.any(String),
      });
      expect(planUpdate(of, world(endsMs, holds))).toMatchObject({
        kind: 'fail',
        reason: { code },
      });
    }
  });

  it('[UPD8] waits for its turn, for a link, and for one that is not metered, and says so', () => {
    const assigned = under('assigned', { fetchDelayMs: 5_000 });
    expect(planUpdate(assigned, world(1_000))).toMatchObject({ kind: 'wait', untilRanMs: 5_000 });
    expect(planUpdate(assigned, world(5_000, { linkUp: false }))).toMatchObject({
      reason: 'no link',
    });
    expect(planUpdate(assigned, world(5_000, { metered: true }))).toMatchObject({
      reason: 'the link is metered',
    });
    expect(planUpdate(assigned, world(5_000))).toEqual({ kind: 'begin' });
    const allowed = goalOf({ terms: { ...terms, metered: 'allow' } });
    expect(planUpdate(under('assigned', allowed), world(0, { metered: true }))).toEqual({
      kind: 'begin',
    });
    const here = { bundle: terms.bundle.digest, version: '1', variant: 'fp32' };
    const lies = { ...assigned, slots: { b: here } };
    expect(planUpdate(lies, world(0, { metered: true, linkUp: false }))).toEqual({ kind: 'begin' });
  });

  it('[UPD8] activates at its turn, within the maintenance window, by a clock that is set', () => {
    const maintenance = { days: [4], fromMinute: 0, minutes: 1 };
    const goal = { activateDelayMs: 5_000, terms: { ...terms, maintenance } };
    const activating = last('activating', goal);
    expect(planUpdate(activating, world(4_000))).toMatchObject({ kind: 'wait', untilRanMs: 5_000 });
    expect(planUpdate(activating, world(5_000))).toEqual({ kind: 'activate' });
    expect(planUpdate(activating, world(5_000, { wallMs: 61_000 }))).toMatchObject({
      reason: 'outside the maintenance window',
    });
    expect(planUpdate(activating, world(5_000, { wallMs: 500 }))).toMatchObject({
      reason: expect.stringContaining('the clock is not set'),
    });
  });

  it('[UPD8] a maintenance window may reach past midnight, and past the end of the week', () => {
    const saturdayNight = { days: [6], fromMinute: 23 * 60, minutes: 120 };
    const at = (iso: string) => isMaintained(saturdayNight, Date.parse(iso));
    expect(at('2026-01-03T22:59:00Z')).toBe(false);
    expect(at('2026-01-03T23:00:00Z')).toBe(true);
    expect(at('2026-01-04T00:59:00Z')).toBe(true);
    expect(at('2026-01-04T01:00:00Z')).toBe(false);
    expect(at('2026-01-04T23:30:00Z')).toBe(false);
  });

  it('[UPD5] tries again later and later, and at last gives up; a bundle’s fault is quarantined', () => {
    expect(planUpdate(rolledBack(1, 'timeout'), world(59_999))).toMatchObject({
      untilRanMs: 60_000,
    });
    expect(planUpdate(rolledBack(2, 'timeout'), world(60_000))).toMatchObject({
      untilRanMs: 120_000,
    });
    expect(planUpdate(rolledBack(2, 'timeout'), world(120_000))).toEqual({ kind: 'retry' });
    expect(planUpdate(rolledBack(3, 'timeout'), world(120_000))).toEqual({ kind: 'give-up' });
    expect(planUpdate(rolledBack(1, 'health'), world(0))).toEqual({ kind: 'quarantine' });
  });
});

describe('in the shadow', () => {
  const shadow = {
    runsMin: 100,
    agreementMin: 0.9,
    shareMax: 0.5,
    latencyMsMax: 50,
    millijoulesMax: 80,
  };
  const shadowing = held('shadowing', { terms: { ...terms, shadow } });
  const ran = (answers: number, agreed: number, more: Partial<ShadowProgress> = {}) =>
    planUpdate(
      shadowing,
      world(10, {
        shadow: { answers, agreed, failures: 0, millijoules: 0, health: health(), ...more },
      }),
    );

  it('[UPD9] agreement decides, as soon as it can', () => {
    expect(planUpdate(shadowing, world(10))).toEqual({ kind: 'shadow' });
    expect(ran(99, 99)).toMatchObject({ kind: 'wait' });
    expect(ran(100, 90)).toMatchObject({ kind: 'pass-shadow' });
    expect(ran(100, 89)).toMatchObject({ kind: 'fail', reason: { code: 'shadow' } });
    expect(ran(11, 0)).toMatchObject({ kind: 'fail', reason: { code: 'shadow' } });
    expect(ran(10, 0)).toMatchObject({ kind: 'wait' });
    expect(ran(10, 10, { failures: 3 })).toMatchObject({
      kind: 'fail',
      reason: { code: 'shadow' },
    });
    expect(ran(10, 10, { millijoules: 80 })).toMatchObject({
      kind: 'fail',
      reason: { code: 'insufficient-data' },
    });
    expect(planUpdate(held('shadowing'), world(10))).toEqual({ kind: 'proceed' });
  });
});

describe('in the soak', () => {
  it('[UPD10] is confirmed after its time and its requests, and not before', () => {
    const soaking = last('soaking');
    const at = (ranMs: number, requests: number) =>
      planUpdate(soaking, world(ranMs, { health: health({ requests, atExit: requests }) })).kind;
    expect(planUpdate(soaking, world(2_000))).toMatchObject({ kind: 'wait' });
    expect(at(999, 10)).toBe('wait');
    expect(at(1_000, 9)).toBe('wait');
    expect(at(1_000, 10)).toBe('confirm');
    expect(at(40_000, 9)).toBe('fail');
    expect(at(40_000, 10)).toBe('confirm');
  });

  it('[UPD10] is rolled back for what this device sees alone, also when its time is up', () => {
    const sick = { health: health({ failures: 20 }) };
    for (const ranMs of [10, 40_000])
      expect(planUpdate(last('soaking'), world(ranMs, sick))).toMatchObject({
        kind: 'fail',
        reason: { code: 'health', message: expect.stringContaining('20 of 100 requests failed') },
        evidence: sick,
      });
  });
});

describe('the health of a candidate', () => {
  const limits = terms.soak.limits;
  const against = (candidate: Partial<Health>, baseline?: Partial<Health>) =>
    judgeHealth(health(candidate), baseline && health(baseline), limits);

  it.each<[string, Partial<Health>]>([
    ['failures', { failures: 10 }],
    ['latency', { latency: { p50Ms: 1, p95Ms: 3.1 } }],
    ['answers by itself, too few', { requests: 1_000, atExit: 300 }],
    ['disagreement of the cloud', { cloud: { answers: 20, agreed: 2 } }],
    ['disagreement of the audits', { audit: { answers: 40, agreed: 2 } }],
  ])('[UPD10] %s speak against it', (_, candidate) => {
    const baseline = { requests: 1_000, atExit: 800, audit: { answers: 40, agreed: 39 } };
    expect(against(candidate, baseline)).toHaveLength(1);
  });

  it('[UPD10] memory has a bound of its own', () => {
    const bounded = { ...limits, memoryBytesMax: 999 };
    expect(judgeHealth(health(), undefined, bounded)).toHaveLength(1);
  });

  it('[UPD10] what chance explains does not', () => {
    expect(against({ requests: 1, atExit: 0, failures: 1 }, {})).toEqual([]);
    expect(against({ requests: 5, atExit: 1 }, {})).toEqual([]);
    expect(against({ cloud: { answers: 2, agreed: 0 } }, {})).toEqual([]);
    expect(against({ requests: 20, atExit: 16, latency: { p50Ms: 1, p95Ms: 99 } }, {})).toEqual([]);
    // A hundred healthy soaks of the same model as before: none is rolled back.
    const random = createRandom(1);
    const count = (of: number, share: number) =>
      Array.from({ length: of }, () => Number(random.next() < share)).reduce((a, b) => a + b, 0);
    for (let i = 0; i < 100; i++)
      expect(
        against(
          { atExit: count(100, 0.8), cloud: { answers: 20, agreed: count(20, 0.8) } },
          { atExit: count(100, 0.8), cloud: { answers: 20, agreed: count(20, 0.8) } },
        ),
      ).toEqual([]);
  });
});

describe('the odometer', () => {
  const clock = (wallMs: number, monotonicMs: number): Pick<Clock, 'nowMs' | 'monotonicMs'> => {
    let called = 0;
    return { nowMs: () => wallMs, monotonicMs: () => (called++ === 0 ? 0 : monotonicMs) };
  };

  it('[UPD7] counts what ran, and what passed as far as the clock can be believed', () => {
    const last = { ranMs: 100, passedMs: 200, wallMs: 10_000 };
    expect(createOdometer(clock(0, 5), undefined).read()).toEqual({
      ranMs: 5,
      passedMs: 5,
      wallMs: 0,
    });
    expect(createOdometer(clock(11_000, 5), last).read()).toMatchObject({
      ranMs: 105,
      passedMs: 1205,
    });
    // Set back, or forward by years.
    for (const wallMs of [9_000, 1e13])
      expect(createOdometer(clock(wallMs, 5), last).read()).toMatchObject({ passedMs: 205 });
  });
});
