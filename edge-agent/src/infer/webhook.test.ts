import { setImmediate as settled } from 'node:timers/promises';
import { createRandom, err, failure, ok, type Result, silentLog } from '@skerry/shared';
import { createVirtualClock } from '@skerry/shared/testing';
import { sampleAnswer } from '@skerry/sync-protocol/testing';
import { describe, expect, it } from 'vitest';
import type { EscalationRecord } from './escalation-store.ts';
import { refusalsMax, startWebhook } from './webhook.ts';

const away = err(failure('unavailable', 'away'));
const refused = err(failure('invalid_argument', 'no'));

/** An app, a store of late answers, and a cursor that outlives the process. */
function open() {
  const clock = createVirtualClock();
  const records: EscalationRecord[] = [];
  const pushed: string[] = [];
  const outcomes: string[] = [];
  const state: { cursor: number | undefined; answer: (id: string) => Result<void> } = {
    cursor: undefined,
    answer: () => ok(undefined),
  };
  const start = () =>
    startWebhook({
      escalations: {
        lateAfter: (after, max) => records.filter((r) => (r.settled ?? 0) > after).slice(0, max),
        lastSettled: () => records.length,
      },
      cursor: {
        load: () => state.cursor,
        save(settledTo) {
          state.cursor = settledTo;
        },
      },
      async push(id) {
        pushed.push(id);
        return state.answer(id);
      },
      clock,
      random: createRandom(1),
      log: silentLog,
      onPushed: (outcome) => outcomes.push(outcome),
    });
  const late = (requestId: string): void => {
    records.push({
      requestId,
      model: 'digits',
      version: '1.0.0',
      appendedMs: 0,
      local: { exit: 1, label: 1, confidence: 0.5 },
      delivery: 'late',
      answer: sampleAnswer(requestId).outcome,
      settled: records.length + 1,
    });
  };
  const pass = async (ms: number): Promise<void> => {
    const untilMs = clock.nowMs() + ms;
    do await settled();
    while (clock.runNext(untilMs));
    await settled();
  };
  return { records, pushed, outcomes, state, start, late, pass };
}

describe('a webhook', () => {
  it('pushes what is late from its first start on, in order, and goes on after a restart', async () => {
    const { pushed, start, late, pass } = open();
    late('before');
    const first = start();
    for (const id of ['a', 'b']) late(id);
    first.wake();
    await pass(0);
    await first.close();
    late('c');
    const second = start();
    await pass(0);
    late('d');
    second.wake();
    await pass(0);
    expect(pushed).toEqual(['a', 'b', 'c', 'd']);
    await second.close();
  });

  it('tries an app that is away for as long as it takes, and overtakes nothing', async () => {
    const { pushed, outcomes, state, start, late, pass } = open();
    const webhook = start();
    state.answer = () => away;
    late('a');
    late('b');
    webhook.wake();
    await pass(24 * 3_600_000);
    expect(new Set(pushed)).toEqual(new Set(['a']));
    expect(pushed.length).toBeLessThan(1_000); // Ever more rarely.
    state.answer = () => ok(undefined);
    await pass(600_000);
    expect([pushed.at(-1), outcomes]).toEqual(['b', ['delivered', 'delivered']]);
    await webhook.close();
  });

  it('passes over what the app refuses again and again', async () => {
    const { pushed, outcomes, state, start, late, pass } = open();
    const webhook = start();
    state.answer = (id) => (id === 'poison' ? refused : ok(undefined));
    late('poison');
    late('b');
    webhook.wake();
    await pass(3_600_000);
    expect(pushed).toEqual([...Array(refusalsMax).fill('poison'), 'b']);
    expect(outcomes).toEqual(['passed-over', 'delivered']);
    await webhook.close();
  });

  it('pushes again what a crash has left open, by the same id', async () => {
    const { pushed, state, start, late, pass } = open();
    const first = start();
    state.answer = () => away;
    late('a');
    first.wake();
    await pass(0);
    await first.close();
    state.answer = () => ok(undefined);
    const second = start();
    await pass(0);
    expect(pushed).toEqual(['a', 'a']);
    await second.close();
  });
});
