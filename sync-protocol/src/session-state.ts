// When a device exchanges: the pure half of the session. One Exchange is in flight at most (stop and wait).
//
//                 connected                    replied: all delivered
//   ┌─────────┐ ──────────────► ┌──────────┐ ───────────────────────► ┌──────┐
//   │ offline │                 │ awaiting │                          │ idle │
//   └─────────┘ ◄── disconnected└──────────┘ ◄─────────────────────── └──────┘
//                  (from any)     ▲      │     appended, hint, due
//                   wait over,    │      │ no reply in time, not sent,
//                   hint          │      ▼ or a reply that delivered nothing
//                               ┌─────────────┐
//                               │ backing-off │ ── replied (late): all delivered ──► idle
//                               └─────────────┘
//
// What happens while an Exchange is in flight is not queued: appends go with the next Exchange, which follows the
// reply at once while anything is left. Time and chance come in as data, so a state and an event give one outcome.

import { type Backoff, backoffMs, randomFrom } from '@skerry/shared';
import { observeRtt, type Rtt, stallAfterMs, timeoutMs } from './rtt.ts';

/** Waits after a timeout, a failed send, or a reply that delivered nothing. */
export const retryBackoff: Backoff = { initialMs: 500, maxMs: 60_000 };
/** The coordinator says when to come back; a wrong word from it may neither flood it nor silence the device. */
export const nextExchangeMinMs = 1_000;
export const nextExchangeMaxMs = 3_600_000;
/** A pause is no longer, whatever is asked, and a half as long again at random, so that not all come back at once. */
export const pauseMaxMs = 600_000;

/** The Exchange sent last. `exchange` counts them; `attempt` counts those in a row that brought nothing. */
interface Sent {
  readonly exchange: number;
  readonly sentAtMs: number;
  readonly attempt: number;
}

export type Phase =
  | { readonly kind: 'offline' }
  | { readonly kind: 'idle'; readonly dueAtMs: number }
  /** `again`: a hint came meanwhile, so its news may have missed this Exchange's reply. */
  | (Sent & { readonly kind: 'awaiting'; readonly timeoutAtMs: number; readonly again: boolean })
  | (Sent & { readonly kind: 'backing-off'; readonly untilMs: number });

export interface SessionState {
  readonly phase: Phase;
  /** Exchanges begun so far. */
  readonly exchanges: number;
  readonly rtt: Rtt;
  /** Until then no ops are sent. */
  readonly pausedUntilMs: number;
}

export type SessionEvent =
  | { readonly kind: 'connected' }
  | { readonly kind: 'disconnected' }
  | { readonly kind: 'appended' }
  | { readonly kind: 'hint' }
  /** A reply has been applied. */
  | {
      readonly kind: 'replied';
      /** The Exchange that it answers; `undefined` if none of this session's. */
      readonly exchange: number | undefined;
      /** It acknowledged all that the Exchange carried, and brought something if it promises more. */
      readonly delivered: boolean;
      /** There is more to send or to fetch. */
      readonly pending: boolean;
      readonly nextExchangeMs: number;
      readonly pauseMs: number;
    }
  /** The transport did not take the Exchange. */
  | { readonly kind: 'unsent'; readonly exchange: number }
  | { readonly kind: 'tick' };

/** `empty`: without ops, for the coordinator asked for a pause. [PAU1] */
type SessionEffect = {
  readonly kind: 'send';
  readonly exchange: number;
  readonly empty: boolean;
};

export interface Transition {
  readonly state: SessionState;
  readonly effects: readonly SessionEffect[];
}

/** `nowMs` is monotonic; `draw` is a uniform uint32, for jitter. */
export interface Moment {
  readonly nowMs: number;
  readonly draw: number;
}

export const initialSessionState: SessionState = {
  phase: { kind: 'offline' },
  exchanges: 0,
  rtt: {},
  pausedUntilMs: Number.NEGATIVE_INFINITY,
};

/** When the state wants its next `tick`. */
export function wakeAtMs({ phase }: SessionState): number | undefined {
  switch (phase.kind) {
    case 'offline':
      return undefined;
    case 'idle':
      return phase.dueAtMs;
    case 'awaiting':
      return phase.timeoutAtMs;
    case 'backing-off':
      return phase.untilMs;
  }
}

export function transition(state: SessionState, event: SessionEvent, moment: Moment): Transition {
  // [SES2] A new connection may have lost what was in flight on the old one.
  if (event.kind === 'connected') return send(state, 0, moment);
  if (event.kind === 'disconnected') return stay({ ...state, phase: { kind: 'offline' } });
  switch (state.phase.kind) {
    case 'offline':
      return stay(state);
    case 'idle':
      return whenIdle(state, state.phase, event, moment);
    case 'awaiting':
      return whenAwaiting(state, state.phase, event, moment);
    case 'backing-off':
      return whenBackingOff(state, state.phase, event, moment);
  }
}

type LinkedEvent = Exclude<SessionEvent, { kind: 'connected' | 'disconnected' }>;
type PhaseOf<K extends Phase['kind']> = Extract<Phase, { kind: K }>;

function whenIdle(
  state: SessionState,
  phase: PhaseOf<'idle'>,
  event: LinkedEvent,
  moment: Moment,
): Transition {
  switch (event.kind) {
    case 'appended':
      return isPaused(state, moment) ? stay(state) : send(state, 0, moment); // [PAU1]
    case 'hint':
      return send(state, 0, moment);
    case 'tick':
      return moment.nowMs < phase.dueAtMs ? stay(state) : send(state, 0, moment);
    case 'replied':
    case 'unsent':
      return stay(state);
  }
}

function whenAwaiting(
  state: SessionState,
  phase: PhaseOf<'awaiting'>,
  event: LinkedEvent,
  moment: Moment,
): Transition {
  switch (event.kind) {
    case 'appended': // [SES3] It goes with the Exchange that follows the reply.
      return stay(state);
    case 'hint':
      return stay({ ...state, phase: { ...phase, again: true } });
    case 'replied':
      return event.exchange === phase.exchange
        ? settle(state, phase, { ...event, pending: event.pending || phase.again }, moment)
        : stay(state);
    case 'unsent':
      return event.exchange === phase.exchange ? backOff(state, phase, moment) : stay(state);
    case 'tick':
      return moment.nowMs < phase.timeoutAtMs ? stay(state) : backOff(state, phase, moment);
  }
}

function whenBackingOff(
  state: SessionState,
  phase: PhaseOf<'backing-off'>,
  event: LinkedEvent,
  moment: Moment,
): Transition {
  switch (event.kind) {
    case 'appended': // [SES4] An app that appends faster must not make a struggling coordinator busier.
      return stay(state);
    case 'hint':
      return send(state, phase.attempt, moment);
    case 'replied': // A slow link: the reply came after its timeout, and ends the wait all the same.
      return event.exchange === phase.exchange && event.delivered
        ? settle(state, phase, event, moment)
        : stay(state);
    case 'unsent':
      return stay(state);
    case 'tick':
      return moment.nowMs < phase.untilMs ? stay(state) : send(state, phase.attempt, moment);
  }
}

/** The reply to the Exchange sent last is there. */
function settle(
  before: SessionState,
  sent: Sent,
  reply: Extract<SessionEvent, { kind: 'replied' }>,
  moment: Moment,
): Transition {
  // Each Exchange has an id of its own, so a sample is never ambiguous (Karn's rule has nothing to forbid).
  const state = {
    ...before,
    rtt: observeRtt(before.rtt, moment.nowMs - sent.sentAtMs),
    pausedUntilMs: pauseEnd(before, reply.pauseMs, moment),
  };
  const waitMs = Math.min(nextExchangeMaxMs, Math.max(nextExchangeMinMs, reply.nextExchangeMs));
  if (isPaused(state, moment)) {
    const untilMs = reply.pending ? state.pausedUntilMs : Number.POSITIVE_INFINITY;
    const dueAtMs = Math.min(moment.nowMs + waitMs, untilMs);
    return stay({ ...state, phase: { kind: 'idle', dueAtMs } });
  }
  if (!reply.delivered) return backOff(state, sent, moment); // [SES7]
  if (reply.pending) return send(state, 0, moment);
  return stay({ ...state, phase: { kind: 'idle', dueAtMs: moment.nowMs + waitMs } });
}

const isPaused = (state: SessionState, { nowMs }: Moment): boolean => nowMs < state.pausedUntilMs;

/** A pause that runs is not made shorter by a Reply that asks for none: that one may be the answer to an empty one. */
function pauseEnd(state: SessionState, pauseMs: number, { nowMs, draw }: Moment): number {
  if (pauseMs === 0) return state.pausedUntilMs;
  const atLeastMs = Math.min(pauseMs, pauseMaxMs);
  const spreadMs = randomFrom(() => draw).below(atLeastMs / 2);
  return nowMs + atLeastMs + spreadMs;
}

function send(state: SessionState, attempt: number, moment: Moment): Transition {
  const { nowMs } = moment;
  const exchange = state.exchanges + 1;
  return {
    state: {
      ...state,
      exchanges: exchange,
      phase: {
        kind: 'awaiting',
        exchange,
        attempt,
        sentAtMs: nowMs,
        timeoutAtMs: nowMs + timeoutMs(state.rtt, attempt),
        again: false,
      },
    },
    effects: [{ kind: 'send', exchange, empty: isPaused(state, moment) }],
  };
}

function backOff(state: SessionState, sent: Sent, { nowMs, draw }: Moment): Transition {
  const { exchange, sentAtMs, attempt } = sent;
  const waitMs = backoffMs(
    retryBackoff,
    attempt,
    randomFrom(() => draw),
  );
  const phase: Phase = {
    kind: 'backing-off',
    exchange,
    sentAtMs,
    attempt: attempt + 1,
    untilMs: nowMs + waitMs,
  };
  return stay({ ...state, phase });
}

const stay = (state: SessionState): Transition => ({ state, effects: [] });

export interface Link {
  /** `stalled`: connected, but the Exchange in flight is overdue, so nobody should wait for an answer. */
  readonly state: 'down' | 'up' | 'stalled';
  /** Smoothed round trip, the coordinator's computing included; absent before the first. */
  readonly rttMs?: number;
  /** Of the latest Exchanges, those that no Reply came to, 0…1. [SES11] */
  readonly lossShare?: number;
  /** On the way up, where the session's traffic has shown it. [SES11] */
  readonly bytesPerSecond?: number;
}

export function linkOf({ phase, rtt, pausedUntilMs }: SessionState, nowMs: number): Link {
  const paused = phase.kind !== 'offline' && nowMs < pausedUntilMs; // [PAU2] Nobody should wait for an answer.
  return {
    state: paused ? 'stalled' : linkState(phase, rtt, nowMs),
    ...(rtt.smoothedMs === undefined ? {} : { rttMs: rtt.smoothedMs }),
  };
}

function linkState(phase: Phase, rtt: Rtt, nowMs: number): Link['state'] {
  switch (phase.kind) {
    case 'offline':
      return 'down';
    case 'idle':
      return 'up';
    case 'backing-off':
      return 'stalled';
    case 'awaiting': // A retry has to bring a reply before the link counts as up again.
      return phase.attempt > 0 || nowMs - phase.sentAtMs > stallAfterMs(rtt) ? 'stalled' : 'up';
  }
}
