import { createRandom } from '@skerry/shared';
import { createVirtualClock } from '@skerry/shared/testing';
import { describe, expect, it } from 'vitest';
import { createBudgets } from './budgets.ts';
import type { LinkEstimate } from './decide.ts';
import { createRouter, type Exit } from './router.ts';

const exit: Exit = {
  policy: 'sync-with-deadline',
  confidence: 0.5,
  threshold: 0.9,
  hasNextEdgeStage: false,
  hasCloudStage: true,
  deadlineLeftMs: 100,
  cutBytes: 1_000,
};
const none = { requests: 0, bytes: 0, money: 0, energy: 0 };

function open(auditShare = 0) {
  const clock = createVirtualClock();
  const link: { current: LinkEstimate } = { current: { state: 'up', rttMs: 10 } };
  const budgets = createBudgets(
    { perHour: none, cost: none },
    { load: () => new Map(), save: () => undefined },
  );
  const router = createRouter(
    { link: () => link.current, budgets, strain: () => undefined, clock, random: createRandom(1) },
    { auditShare, cacheAuditShare: 0, raceMargin: 0 },
  );
  let asked = 0;
  const answer = (tookMs: number, bytes = 500): void => {
    const id = `r${asked++}`;
    router.spent(id, 1_000, bytes);
    clock.runNext(clock.nowMs() + tookMs);
    router.answered(id);
  };
  return { clock, link, router, answer };
}

describe('the router', () => {
  it('stops waiting for a cloud that has become slow, and waits again when late answers come fast', () => {
    const { router, answer } = open();
    expect(router.decide(exit).kind).toBe('escalate');
    for (let i = 0; i < 64; i++) answer(500);
    expect(router.decide(exit)).toMatchObject({ kind: 'degraded', escalate: true });
    for (let i = 0; i < 64; i++) answer(20);
    expect(router.decide(exit).kind).toBe('escalate');
  });

  it('adds the upload of the question at hand', () => {
    const { router, answer, link } = open();
    link.current = { state: 'up', bytesPerSecond: 10_000 };
    for (let i = 0; i < 64; i++) answer(70, 500); // 50 of the 70 ms went with the 500 bytes.
    expect(router.decide(exit).kind).toBe('escalate');
    expect(router.decide({ ...exit, cutBytes: 2_000 })).toMatchObject({ kind: 'degraded' });
  });

  it('counts on a second try where more than the twentieth Exchange is lost', () => {
    const { router, answer, link } = open();
    for (let i = 0; i < 64; i++) answer(20);
    link.current = { state: 'up', lossShare: 0.1 };
    expect(router.decide(exit)).toMatchObject({ reason: 'the cloud may miss the deadline' });
  });

  it('learns nothing from questions that an outage has held up', () => {
    const { router, answer, link, clock } = open();
    for (let i = 0; i < 64; i++) answer(20);
    for (let i = 0; i < 64; i++) router.spent(`held${i}`, 1_000, 500);
    link.current = { state: 'down' };
    router.decide(exit);
    clock.runNext(60_000);
    link.current = { state: 'up', rttMs: 10 };
    for (let i = 0; i < 64; i++) router.answered(`held${i}`);
    expect(router.decide(exit).kind).toBe('escalate');
  });

  it('stops waiting when waits keep failing, and lets one try after a while', () => {
    const { router, clock } = open();
    for (let i = 0; i < 20; i++) router.waited(false);
    expect(router.breaker()).toBe('open');
    expect(router.decide(exit)).toMatchObject({ reason: 'the cloud keeps missing deadlines' });
    expect(router.mayWait()).toBe(false);
    clock.runNext(5_000);
    expect(router.decide(exit).kind).toBe('escalate');
    expect([router.mayWait(), router.mayWait()]).toEqual([true, false]);
    router.waited(true);
    expect(router.breaker()).toBe('closed');
  });

  it('draws its audits by chance, as many as it is told', () => {
    const { router } = open(0.1);
    const drawn = Array.from({ length: 2_000 }, () => router.decide({ ...exit, confidence: 1 }));
    const audits = drawn.filter((decision) => decision.kind === 'exit' && decision.audit).length;
    expect(audits).toBeGreaterThan(150);
    expect(audits).toBeLessThan(250);
  });
});
