import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createVirtualClock } from '../testing/virtual-clock.ts';
import {
  type BreakerEvent,
  type BreakerState,
  closedBreaker,
  createBreaker,
  hystrixLimits,
  transitionBreaker,
} from './circuit-breaker.ts';

const nowMs = 100_000;
const { sleepMs, windowMs } = hystrixLimits;
const open: BreakerState = { kind: 'open', untilMs: nowMs + sleepMs };
const probe: BreakerState = { kind: 'half-open', probeUntilMs: nowMs + sleepMs };
const bucket = nowMs / (windowMs / hystrixLimits.buckets);
const window = (succeeded: number, failed: number): BreakerState => ({
  kind: 'closed',
  window: [{ bucket, succeeded, failed }],
});

type Cell = readonly [before: BreakerState, after: BreakerState, admitted: boolean];

describe('the breaker’s transitions', () => {
  const table: Record<BreakerState['kind'], Record<BreakerEvent, readonly Cell[]>> = {
    closed: {
      asked: [[closedBreaker, closedBreaker, true]],
      succeeded: [
        [closedBreaker, window(1, 0), true],
        [window(9, 10), open, true], // The twentieth, and half have failed.
        [window(10, 9), window(11, 9), true],
      ],
      failed: [
        [window(0, 18), window(0, 19), true], // Below the volume threshold.
        [window(0, 19), open, true],
        [window(10, 9), open, true],
        [window(11, 8), window(11, 9), true],
      ],
    },
    open: {
      asked: [
        [{ kind: 'open', untilMs: nowMs + 1 }, { kind: 'open', untilMs: nowMs + 1 }, false],
        [{ kind: 'open', untilMs: nowMs }, probe, true],
      ],
      succeeded: [[open, open, true]],
      failed: [[open, open, true]],
    },
    'half-open': {
      asked: [
        [probe, probe, false],
        [{ kind: 'half-open', probeUntilMs: nowMs }, probe, true],
      ],
      succeeded: [[probe, closedBreaker, true]],
      failed: [[probe, open, true]],
    },
  };
  for (const [kind, events] of Object.entries(table))
    for (const [event, cells] of Object.entries(events))
      for (const [i, [before, state, admitted]] of cells.entries())
        it(`${kind}, ${event} (${i + 1})`, () =>
          expect(transitionBreaker(before, event as BreakerEvent, nowMs)).toEqual({
            state,
            admitted,
          }));

  it('forget what lies outside the window, and keep no more buckets than it has', () => {
    const times = fc.array(fc.nat(60_000), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(times, (gaps) => {
        let state = closedBreaker;
        let atMs = 0;
        for (const gap of gaps) {
          atMs += gap;
          state = transitionBreaker(state, 'succeeded', atMs).state;
          const buckets = state.kind === 'closed' ? state.window.length : 0;
          expect(buckets).toBeLessThanOrEqual(hystrixLimits.buckets);
        }
      }),
    );
    const old = transitionBreaker(window(0, 19), 'failed', nowMs + windowMs);
    expect(old.state).toMatchObject({ kind: 'closed', window: [{ failed: 1 }] });
  });
});

describe('a breaker', () => {
  it('refuses while open, lets one probe go, and closes when that succeeds', () => {
    const clock = createVirtualClock();
    const breaker = createBreaker(clock);
    for (let i = 0; i < hystrixLimits.requestsMin; i++) breaker.failed();
    expect([breaker.state(), breaker.admits()]).toEqual(['open', false]);
    clock.runNext(sleepMs);
    expect([breaker.refuses(), breaker.admits(), breaker.admits()]).toEqual([false, true, false]);
    expect(breaker.refuses()).toBe(true);
    breaker.succeeded();
    expect([breaker.state(), breaker.admits()]).toEqual(['closed', true]);
  });
});
