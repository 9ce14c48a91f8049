// Each rule by virtual time: nothing here waits.

import { setImmediate as settled } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { failure } from '../failure.ts';
import { err, ok, type Result } from '../result.ts';
import { createVirtualClock } from '../testing/virtual-clock.ts';
import { createBulkhead } from './bulkhead.ts';
import { withDeadline } from './deadline.ts';
import { hedged } from './hedge.ts';
import { createLatencyWindow } from './latency-window.ts';
import { createRetryTokens, mayRetry, transitionRetryTokens } from './retry-tokens.ts';

const away = err(failure('unavailable', 'away'));

describe('retry tokens', () => {
  it.each([
    ['a failure takes one', 10, 'failed', 9],
    ['a success gives a tenth back', 5, 'succeeded', 5.1],
    ['ten successes pay for one failure, to the last thousandth', 5.9, 'succeeded', 6],
    ['never below none', 0.4, 'failed', 0],
    ['never above the maximum', 10, 'succeeded', 10],
  ] as const)('%s', (_, before, event, after) =>
    expect(transitionRetryTokens(before, event)).toBe(after),
  );

  it('admit a retry above the half alone', () => {
    expect([mayRetry(5.1), mayRetry(5)]).toEqual([true, false]);
    const tokens = createRetryTokens();
    let retries = 0;
    for (; tokens.admits(); retries++) tokens.failed();
    expect(retries).toBe(5);
    tokens.succeeded();
    expect(tokens.admits()).toBe(true);
  });
});

describe('a deadline', () => {
  it('ends work that takes longer, and tells it so', async () => {
    const clock = createVirtualClock();
    let heard: AbortSignal | undefined;
    const result = withDeadline(clock, 10, (signal) => {
      heard = signal;
      return new Promise<Result<number>>(() => {});
    });
    while (clock.runNext(10));
    expect(await result).toMatchObject({ error: { code: 'deadline_exceeded' } });
    expect(heard?.aborted).toBe(true);
  });

  it('lets through what comes in time, and leaves no timer', async () => {
    const clock = createVirtualClock();
    expect(await withDeadline(clock, 10, async () => ok(1))).toEqual(ok(1));
    expect(clock.runNext(1_000)).toBe(false);
  });

  it('that is over begins nothing', async () => {
    let begun = false;
    const work = async () => {
      begun = true;
      return ok(1);
    };
    const result = await withDeadline(createVirtualClock(), 0, work);
    expect([result.ok, begun]).toEqual([false, false]);
  });

  it('passes its parent’s abort on', async () => {
    const parent = new AbortController();
    const waits = (signal: AbortSignal) =>
      new Promise<Result<number>>((resolve) =>
        signal.addEventListener('abort', () => resolve(away)),
      );
    const result = withDeadline(createVirtualClock(), 10, waits, parent.signal);
    parent.abort();
    expect(await result).toEqual(away);
  });
});

describe('a latency window', () => {
  it('knows nothing of too few, and of many the newest', () => {
    const window = createLatencyWindow(100, 4);
    for (const latencyMs of [1, 2, 3]) window.observe(latencyMs);
    expect(window.quantileMs(0.95)).toBeUndefined();
    for (let latencyMs = 100; latencyMs >= 1; latencyMs--) window.observe(latencyMs);
    expect([0.01, 0.5, 0.95, 1].map(window.quantileMs)).toEqual([1, 50, 95, 100]);
  });
});

describe('hedging', () => {
  /** Attempts that end when they are told to. */
  function attempts() {
    const ends: ((result: Result<string>) => void)[] = [];
    const signals: AbortSignal[] = [];
    const attempt = (_: 0 | 1, signal: AbortSignal) => {
      signals.push(signal);
      return new Promise<Result<string>>((resolve) => ends.push(resolve));
    };
    return { ends, signals, attempt };
  }
  const terms = { delayMs: 20, admits: () => true };

  it('sends a second attempt after the delay, takes the first that succeeds and aborts the other', async () => {
    const clock = createVirtualClock();
    const { ends, signals, attempt } = attempts();
    const result = hedged(clock, terms, attempt);
    clock.runNext(19);
    expect(ends).toHaveLength(1);
    clock.runNext(20);
    expect(ends).toHaveLength(2);
    ends[1]?.(ok('second'));
    expect(await result).toEqual(ok('second'));
    expect(signals[0]?.aborted).toBe(true);
  });

  it('waits for the other attempt when one fails, and fails with the last', async () => {
    const clock = createVirtualClock();
    const { ends, attempt } = attempts();
    const result = hedged(clock, terms, attempt);
    clock.runNext(20);
    ends[0]?.(away);
    await settled();
    ends[1]?.(err(failure('overloaded', 'busy')));
    expect(await result).toMatchObject({ error: { code: 'overloaded' } });
  });

  it.each([
    ['an attempt that fails first is not replaced', true],
    ['nor is one hedged that may not be', false],
  ])('%s', async (_, admits) => {
    const clock = createVirtualClock();
    const { ends, attempt } = attempts();
    const result = hedged(clock, { ...terms, admits: () => admits }, attempt);
    if (!admits) while (clock.runNext(100));
    ends[0]?.(away);
    expect(await result).toEqual(away);
    while (clock.runNext(1_000));
    expect(ends).toHaveLength(1);
  });
});

describe('a bulkhead', () => {
  it('holds as many as it may and refuses the next', () => {
    const bulkhead = createBulkhead('upstream', 2);
    const places = [bulkhead.enter(), bulkhead.enter()];
    expect(bulkhead.enter()).toMatchObject({ error: { code: 'overloaded' } });
    const [first] = places;
    if (first?.ok) for (let i = 0; i < 2; i++) first.value.leave();
    expect(bulkhead.inside()).toBe(1);
    expect(bulkhead.enter().ok).toBe(true);
  });
});
