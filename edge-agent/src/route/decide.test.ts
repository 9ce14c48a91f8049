import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DecideInput, decide, policies, replyReserveMs } from './decide.ts';

const base: DecideInput = {
  policy: 'sync-with-deadline',
  confidence: 0.9,
  threshold: 0.95,
  hasNextEdgeStage: false,
  hasCloudStage: true,
  deadlineLeftMs: 100,
  link: { state: 'up', rttMs: 10 },
};

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
    });
    fc.assert(
      fc.property(input, (given) => {
        const decision = decide(given);
        expect(decision.reason).not.toBe('');
        if (decision.kind === 'escalate')
          expect(decision.waitMs).toBeLessThan(Math.max(given.deadlineLeftMs, 0));
        if (decision.kind === 'exit')
          expect(given.confidence).toBeGreaterThanOrEqual(given.threshold ?? Infinity);
      }),
    );
  });
});
