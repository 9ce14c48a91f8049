import { describe, expect, it } from 'vitest';
import {
  observeRtt,
  stallAfterMs,
  timeoutInitialMs,
  timeoutMaxMs,
  timeoutMinMs,
  timeoutMs,
} from './rtt.ts';
import {
  initialSessionState,
  linkOf,
  nextExchangeMaxMs,
  nextExchangeMinMs,
  type Phase,
  retryBackoff,
  type SessionEvent,
  type SessionState,
  transition,
  wakeAtMs,
} from './session-state.ts';

const nowMs = 10_000;
const halfway = 2 ** 31;

const phases: { [K in Phase['kind']]: Extract<Phase, { kind: K }> } = {
  offline: { kind: 'offline' },
  idle: { kind: 'idle', dueAtMs: nowMs },
  awaiting: {
    kind: 'awaiting',
    exchange: 4,
    sentAtMs: 9_900,
    attempt: 0,
    timeoutAtMs: nowMs,
    again: false,
  },
  'backing-off': { kind: 'backing-off', exchange: 4, sentAtMs: 9_000, attempt: 1, untilMs: nowMs },
};

const events: { [K in SessionEvent['kind']]: Extract<SessionEvent, { kind: K }> } = {
  connected: { kind: 'connected' },
  disconnected: { kind: 'disconnected' },
  appended: { kind: 'appended' },
  hint: { kind: 'hint' },
  replied: {
    kind: 'replied',
    exchange: 4,
    delivered: true,
    pending: false,
    nextExchangeMs: 30_000,
    pauseMs: 0,
  },
  unsent: { kind: 'unsent', exchange: 4 },
  tick: { kind: 'tick' },
};

type Outcome = Phase['kind'] | 'sends' | 'same';

/** What each event does to each state, with every timer due and every reply to the Exchange sent last. */
const table: Record<Phase['kind'], Record<SessionEvent['kind'], Outcome>> = {
  offline: {
    connected: 'sends',
    disconnected: 'offline',
    appended: 'same',
    hint: 'same',
    replied: 'same',
    unsent: 'same',
    tick: 'same',
  },
  idle: {
    connected: 'sends',
    disconnected: 'offline',
    appended: 'sends',
    hint: 'sends',
    replied: 'same',
    unsent: 'same',
    tick: 'sends',
  },
  awaiting: {
    connected: 'sends',
    disconnected: 'offline',
    appended: 'same',
    hint: 'awaiting',
    replied: 'idle',
    unsent: 'backing-off',
    tick: 'backing-off',
  },
  'backing-off': {
    connected: 'sends',
    disconnected: 'offline',
    appended: 'same',
    hint: 'sends',
    replied: 'idle',
    unsent: 'same',
    tick: 'sends',
  },
};

const at = (phase: Phase): SessionState => ({ ...initialSessionState, phase, exchanges: 4 });
const next = (phase: Phase, event: SessionEvent, draw = halfway) =>
  transition(at(phase), event, { nowMs, draw });

describe('session state', () => {
  for (const from of Object.keys(table) as Phase['kind'][])
    for (const kind of Object.keys(table[from]) as SessionEvent['kind'][])
      it(`[SES1] ${from} + ${kind} → ${table[from][kind]}`, () => {
        const { state, effects } = next(phases[from], events[kind]);
        const outcome = table[from][kind];
        const sends = outcome === 'sends';
        expect(effects).toEqual(sends ? [{ kind: 'send', exchange: 5, empty: false }] : []);
        if (outcome === 'same') expect(state).toEqual(at(phases[from]));
        else expect(state.phase.kind).toBe(sends ? 'awaiting' : outcome);
      });

  it('[SES2] each connection starts an Exchange, though one was in flight', () => {
    const { state, effects } = next(phases.awaiting, events.connected);
    expect(effects).toEqual([{ kind: 'send', exchange: 5, empty: false }]);
    expect(state.phase).toMatchObject({ kind: 'awaiting', exchange: 5, attempt: 0 });
  });

  it('[SES3] a hint in flight is followed by one more Exchange', () => {
    const hinted = next(phases.awaiting, events.hint).state;
    expect(hinted.phase).toEqual({ ...phases.awaiting, again: true });
    const { state, effects } = transition(hinted, events.replied, { nowMs, draw: 0 });
    expect(effects).toEqual([{ kind: 'send', exchange: 5, empty: false }]);
    expect(state.phase).toMatchObject({ kind: 'awaiting', again: false });
  });

  it('[SES3] what is left over is sent right after the reply', () => {
    const reply: SessionEvent = { ...events.replied, pending: true };
    expect(next(phases.awaiting, reply).effects).toEqual([
      { kind: 'send', exchange: 5, empty: false },
    ]);
  });

  it('[INB5] a reply to another Exchange ends nothing', () => {
    for (const exchange of [3, undefined])
      for (const phase of [phases.awaiting, phases['backing-off']])
        expect(next(phase, { ...events.replied, exchange }).state).toEqual(at(phase));
  });

  it('[SES5] the timeout follows the round trips and doubles with each failure', () => {
    expect(timeoutMs({}, 0)).toBe(timeoutInitialMs);
    expect(timeoutMs({}, 1)).toBe(2 * timeoutInitialMs);
    expect(timeoutMs({}, 50)).toBe(timeoutMaxMs);
    const fast = observeRtt({}, 10);
    expect(fast).toEqual({ smoothedMs: 10, deviationMs: 5 });
    expect(timeoutMs(fast, 0)).toBe(timeoutMinMs);
    const slow = observeRtt({}, 2_000);
    expect(timeoutMs(slow, 0)).toBe(6_000);
    // RFC 6298 (2.3): the deviation takes a quarter of |2000 − 1000|, then the mean an eighth of the sample.
    expect(observeRtt(slow, 1_000)).toEqual({ smoothedMs: 1_875, deviationMs: 1_000 });
  });

  it('[SES5] a tick before the timeout waits on', () => {
    const early = { ...phases.awaiting, timeoutAtMs: nowMs + 1 };
    expect(next(early, events.tick).state).toEqual(at(early));
    expect(wakeAtMs(at(early))).toBe(nowMs + 1);
  });

  it('[SES5] a reply after its timeout still ends the wait and counts as a round trip', () => {
    const { state } = next(phases['backing-off'], events.replied);
    expect(state).toMatchObject({ phase: { kind: 'idle' }, rtt: { smoothedMs: 1_000 } });
  });

  it('[SES6] waits with full jitter, longer with each failure, within the bound', () => {
    const waitMs = (attempt: number, draw: number): number => {
      const { phase } = next({ ...phases.awaiting, attempt }, events.tick, draw).state;
      if (phase.kind !== 'backing-off') throw new Error(phase.kind);
      expect(phase.attempt).toBe(attempt + 1);
      return phase.untilMs - nowMs;
    };
    expect(waitMs(0, 0)).toBe(0);
    expect(waitMs(0, halfway)).toBe(retryBackoff.initialMs / 2);
    expect(waitMs(3, halfway)).toBe(retryBackoff.initialMs * 4);
    expect(waitMs(1_000, 2 ** 32 - 1)).toBe(retryBackoff.maxMs - 1);
  });

  it('[SES6] a retry keeps its count until a reply delivers', () => {
    const retried = next({ ...phases['backing-off'], attempt: 3 }, events.tick).state;
    expect(retried.phase).toMatchObject({ kind: 'awaiting', attempt: 3 });
  });

  it('[SES7] a reply that delivers nothing is followed by a wait', () => {
    const empty: SessionEvent = { ...events.replied, delivered: false, pending: true };
    const { state, effects } = next(phases.awaiting, empty);
    expect(effects).toEqual([]);
    expect(state.phase).toMatchObject({ kind: 'backing-off', attempt: 1 });
    expect(next(phases['backing-off'], empty).state).toEqual(at(phases['backing-off']));
  });

  it('[SES8] the coordinator’s word on when to come back has bounds', () => {
    const dueInMs = (nextExchangeMs: number): number => {
      const { phase } = next(phases.awaiting, { ...events.replied, nextExchangeMs }).state;
      return phase.kind === 'idle' ? phase.dueAtMs - nowMs : Number.NaN;
    };
    expect(dueInMs(0)).toBe(nextExchangeMinMs);
    expect(dueInMs(30_000)).toBe(30_000);
    expect(dueInMs(Number.MAX_SAFE_INTEGER)).toBe(nextExchangeMaxMs);
  });

  it('[SES9] the link is stalled from an overdue Exchange until a reply', () => {
    expect(linkOf(at(phases.offline), nowMs)).toEqual({ state: 'down' });
    expect(linkOf(at(phases.idle), nowMs)).toEqual({ state: 'up' });
    expect(linkOf(at(phases['backing-off']), nowMs)).toEqual({ state: 'stalled' });
    const rtt = observeRtt({}, 200);
    const state: SessionState = { ...at(phases.awaiting), rtt };
    const overdueMs = phases.awaiting.sentAtMs + stallAfterMs(rtt);
    expect(linkOf(state, overdueMs)).toEqual({ state: 'up', rttMs: 200 });
    expect(linkOf(state, overdueMs + 1)).toEqual({ state: 'stalled', rttMs: 200 });
    const retry = at({ ...phases.awaiting, attempt: 1, sentAtMs: nowMs });
    expect(linkOf(retry, nowMs)).toEqual({ state: 'stalled' });
  });
});
