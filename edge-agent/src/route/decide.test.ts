import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DecideInput, decide, policies, replyReserveMs, unconstrained } from './decide.ts';

const base: DecideInput = {
  policy: 'sync-with-deadline',
  confidence: 0.9,
  threshold: 0.95,
  hasNextEdgeStage: false,
  hasCloudStage: true,
  deadlineLeftMs: 100,
  link: { state: 'up', rttMs: 10 },
  ...unconstrained,
  raceMargin: 0.1,
};

const waitMs = base.deadlineLeftMs - replyReserveMs;
/** Half of all questions make it, and not nineteen of twenty. */
const tight = { p50Ms: waitMs, p95Ms: waitMs + 1 };

describe('decide', () => {
  it.each<[string, Partial<DecideInput>, object]>([
    ['a confident exit answers', { confidence: 0.95 }, { kind: 'exit' }],
    ['an unsure one escalates', {}, { kind: 'escalate', waitMs: 100 - replyReserveMs }],
    [
      'without a threshold nothing is confident',
      { threshold: null, confidence: 1 },
      { kind: 'escalate' },
    ],
    [
      'a further edge stage comes before the cloud',
      { hasNextEdgeStage: true },
      { kind: 'next-stage' },
    ],
    [
      'a link that is down does not make the app wait',
      { link: { state: 'down' } },
      { kind: 'degraded', escalate: true, reason: 'link down' },
    ],
    [
      'nor does one that is stalled',
      { link: { state: 'stalled' } },
      { kind: 'degraded', escalate: true, reason: 'link stalled' },
    ],
    [
      'nor a round trip longer than the deadline',
      { link: { state: 'up', rttMs: 99 } },
      { kind: 'degraded', escalate: true },
    ],
    [
      'an expired deadline still wants the late answer',
      { deadlineLeftMs: 0 },
      { kind: 'degraded', escalate: true },
    ],
    ['edge-only never asks', { policy: 'edge-only' }, { kind: 'degraded', escalate: false }],
    [
      'edge-then-async asks without waiting',
      { policy: 'edge-then-async' },
      { kind: 'degraded', escalate: true },
    ],
    [
      'cloud-only asks even when confident',
      { policy: 'cloud-only', confidence: 1 },
      { kind: 'escalate' },
    ],
    [
      'cloud-only runs a further edge stage, for the cut that the cloud takes',
      { policy: 'cloud-only', hasNextEdgeStage: true },
      { kind: 'next-stage' },
    ],
    [
      'the cloud is asked where it mostly makes it',
      { cloud: { p50Ms: 1, p95Ms: waitMs } },
      { kind: 'escalate' },
    ],
    [
      'one just below its threshold races a tight deadline',
      { cloud: tight, confidence: 0.86 },
      { kind: 'escalate', waitMs, reason: 'race against the deadline' },
    ],
    [
      'one far below does not wait for what may not come',
      { cloud: tight, confidence: 0.84 },
      { kind: 'degraded', escalate: true, reason: 'the cloud may miss the deadline' },
    ],
    [
      'nor does any where even the usual answer is too late',
      { cloud: { p50Ms: waitMs + 1, p95Ms: waitMs + 2 }, confidence: 0.94 },
      { kind: 'degraded', escalate: true },
    ],
    [
      'under cloud-only every tight deadline is raced',
      { cloud: tight, policy: 'cloud-only', confidence: 0 },
      { kind: 'escalate' },
    ],
    [
      'with the breaker open nobody waits',
      { breakerOpen: true },
      { kind: 'degraded', escalate: true },
    ],
    [
      'a dear question must gain its price',
      { price: { share: 0.2, budget: 'bytes' } },
      { kind: 'degraded', escalate: false, reason: 'budget: bytes' },
    ],
    [
      'one that is less sure gains it',
      { price: { share: 0.2, budget: 'bytes' }, confidence: 0.7 },
      { kind: 'escalate' },
    ],
    [
      'without a budget nothing is sent, later neither',
      { price: { share: 1, budget: 'money' }, policy: 'edge-then-async', confidence: 0 },
      { kind: 'degraded', escalate: false, reason: 'budget: money' },
    ],
    [
      'cloud-only pays any price',
      { price: { share: 0.9, budget: 'money' }, policy: 'cloud-only' },
      { kind: 'escalate' },
    ],
    ['a low battery sends nothing', { strain: 'battery' }, { kind: 'degraded', escalate: false }],
    [
      'a hot device computes no further stage',
      { strain: 'heat', hasNextEdgeStage: true },
      { kind: 'degraded', escalate: false, reason: 'the device is hot' },
    ],
    ['and asks the cloud all the same from the last', { strain: 'heat' }, { kind: 'escalate' }],
    [
      'a confident one is audited where chance says so',
      { confidence: 1, drawn: true },
      { kind: 'exit', audit: true },
    ],
    [
      'at any exit',
      { confidence: 1, drawn: true, hasNextEdgeStage: true },
      { kind: 'exit', audit: true },
    ],
    ['and else not', { confidence: 1 }, { kind: 'exit', audit: false }],
    ...(
      [
        ['under edge-only', { policy: 'edge-only' }],
        ['where nobody could check it', { hasCloudStage: false }],
        ['when anything is short', { price: { share: 0.01, budget: 'bytes' } }],
        ['when the battery is low', { strain: 'battery' }],
      ] as const
    ).map(([when, more]): [string, Partial<DecideInput>, object] => [
      `nor is it audited ${when}`,
      { confidence: 1, drawn: true, ...more },
      { kind: 'exit', audit: false },
    ]),
    [
      'no cloud stage, nobody to ask',
      { hasCloudStage: false },
      { kind: 'degraded', escalate: false },
    ],
  ])('%s', (_, more, decision) => {
    expect(decide({ ...base, ...more })).toMatchObject(decision);
  });

  it('never waits beyond the deadline, and always says why', () => {
    const input = fc.record({
      policy: fc.constantFrom(...policies),
      confidence: fc.double({ min: 0, max: 1, noNaN: true }),
      threshold: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
      hasNextEdgeStage: fc.boolean(),
      hasCloudStage: fc.boolean(),
      deadlineLeftMs: fc.double({ min: -100, max: 10_000, noNaN: true }),
      link: fc.record({
        state: fc.constantFrom('up' as const, 'down' as const, 'stalled' as const),
        rttMs: fc.double({ min: 0, max: 1000, noNaN: true }),
      }),
      cloud: fc.record({
        p50Ms: fc.double({ min: 0, max: 100, noNaN: true }),
        p95Ms: fc.double({ min: 100, max: 1000, noNaN: true }),
      }),
      breakerOpen: fc.boolean(),
      price: fc.record({
        share: fc.double({ min: 0, max: 1, noNaN: true }),
        budget: fc.constant('bytes'),
      }),
      drawn: fc.boolean(),
      raceMargin: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(input, (given) => {
        const decision = decide(given);
        expect(decision.reason).not.toBe('');
        if (decision.kind === 'escalate')
          expect(decision.waitMs).toBeLessThan(Math.max(given.deadlineLeftMs, 0));
        if (given.price.share >= 1) expect(decision).not.toMatchObject({ escalate: true });
        if (given.price.share >= 1) expect(decision.kind).not.toBe('escalate');
        if (decision.kind === 'exit')
          expect(given.confidence).toBeGreaterThanOrEqual(given.threshold ?? Infinity);
      }),
    );
  });
});
