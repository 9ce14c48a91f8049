// A circuit breaker (Nygard, "Release It!"; windows and limits as Netflix Hystrix has them): who keeps failing is left
// alone for a while, then asked once. Pure transitions; `createBreaker` is the shell with a clock.
//
//   closed ── a failure, and too many in the window ──► open ── asked, its sleep over ──► half-open (one probe)
//      ▲                                                  ▲                                      │
//      └───────────────── succeeded ──────────────────────┼──────────────────────────────────────┤
//                                                         └───────────── failed ─────────────────┘
//
// A probe whose outcome nobody tells is given up after another sleep, so that a lost one cannot hold it for ever.

import type { Clock } from '../clock.ts';

export interface BreakerLimits {
  readonly windowMs: number;
  /** The window forgets by the bucket. */
  readonly buckets: number;
  /** Outcomes in the window below which it stays closed. */
  readonly requestsMin: number;
  readonly failedShareMax: number;
  /** How long it stays open. */
  readonly sleepMs: number;
}

/** Hystrix's defaults: metrics.rollingStats.*, circuitBreaker.{requestVolumeThreshold, errorThresholdPercentage, sleepWindowInMilliseconds}. */
export const hystrixLimits: BreakerLimits = {
  windowMs: 10_000,
  buckets: 10,
  requestsMin: 20,
  failedShareMax: 0.5,
  sleepMs: 5_000,
};

/** Outcomes of one bucket of time; `bucket` counts them since the clock's zero. */
interface Bucket {
  readonly bucket: number;
  readonly succeeded: number;
  readonly failed: number;
}

export type BreakerState =
  | { readonly kind: 'closed'; readonly window: readonly Bucket[] }
  | { readonly kind: 'open'; readonly untilMs: number }
  | { readonly kind: 'half-open'; readonly probeUntilMs: number };

/** `asked`: may a call go? The others tell how one ended. */
export type BreakerEvent = 'asked' | 'succeeded' | 'failed';

export interface BreakerTransition {
  readonly state: BreakerState;
  /** Whether a call may go; true for events that ask nothing. */
  readonly admitted: boolean;
}

export const closedBreaker: BreakerState = { kind: 'closed', window: [] };

export function transitionBreaker(
  state: BreakerState,
  event: BreakerEvent,
  nowMs: number,
  limits: BreakerLimits = hystrixLimits,
): BreakerTransition {
  const become = (next: BreakerState, admitted = true) => ({ state: next, admitted });
  const open: BreakerState = { kind: 'open', untilMs: nowMs + limits.sleepMs };
  const probe: BreakerState = { kind: 'half-open', probeUntilMs: nowMs + limits.sleepMs };
  switch (state.kind) {
    case 'closed': {
      if (event === 'asked') return become(state);
      const window = count(state.window, event, nowMs, limits);
      return become(isTooBad(window, limits) ? open : { kind: 'closed', window });
    }
    case 'open': // How calls from before it opened end says nothing new.
      if (event !== 'asked') return become(state);
      return nowMs < state.untilMs ? become(state, false) : become(probe);
    case 'half-open':
      if (event === 'succeeded') return become(closedBreaker);
      if (event === 'failed') return become(open);
      return nowMs < state.probeUntilMs ? become(state, false) : become(probe);
  }
}

function count(
  window: readonly Bucket[],
  event: 'succeeded' | 'failed',
  nowMs: number,
  { windowMs, buckets }: BreakerLimits,
): readonly Bucket[] {
  const bucket = Math.floor(nowMs / (windowMs / buckets));
  const kept = window.filter((old) => old.bucket > bucket - buckets && old.bucket !== bucket);
  const { succeeded, failed } = window.find((old) => old.bucket === bucket) ?? none;
  const counted = { succeeded, failed, [event]: (event === 'failed' ? failed : succeeded) + 1 };
  return [...kept, { bucket, ...counted }];
}

const none = { succeeded: 0, failed: 0 };

function isTooBad(window: readonly Bucket[], limits: BreakerLimits): boolean {
  const failed = window.reduce((sum, bucket) => sum + bucket.failed, 0);
  const all = window.reduce((sum, bucket) => sum + bucket.failed + bucket.succeeded, 0);
  return all >= limits.requestsMin && failed >= limits.failedShareMax * all;
}

export interface Breaker {
  /** Whether a call may go now; in `half-open` the one that hears true is the probe. */
  admits(): boolean;
  /** Whether `admits` would say no, without asking it. */
  refuses(): boolean;
  succeeded(): void;
  failed(): void;
  state(): BreakerState['kind'];
}

export function createBreaker(
  clock: Pick<Clock, 'monotonicMs'>,
  limits: BreakerLimits = hystrixLimits,
): Breaker {
  let state = closedBreaker;
  const handle = (event: BreakerEvent): boolean => {
    const next = transitionBreaker(state, event, clock.monotonicMs(), limits);
    state = next.state;
    return next.admitted;
  };
  return {
    admits: () => handle('asked'),
    refuses: () => !transitionBreaker(state, 'asked', clock.monotonicMs(), limits).admitted,
    succeeded: () => void handle('succeeded'),
    failed: () => void handle('failed'),
    state: () => state.kind,
  };
}
