// Outlier detection as Envoy has it (envoyproxy.io, "Outlier detection"): who fails five times in a row is left out for a
// while, longer each time; a health check that succeeds brings it back. Pure.

export interface OutlierLimits {
  readonly consecutiveFailuresMax: number;
  readonly ejectionMs: number;
  readonly ejectionMsMax: number;
  /** How often who behaves has one ejection forgiven. */
  readonly intervalMs: number;
  /** Share of the upstreams that may be left out; one may be always. */
  readonly ejectedShareMax: number;
}

/** Envoy's defaults: consecutive_5xx, base_ejection_time, max_ejection_time, interval, max_ejection_percent. */
export const envoyOutlierLimits: OutlierLimits = {
  consecutiveFailuresMax: 5,
  ejectionMs: 30_000,
  ejectionMsMax: 300_000,
  intervalMs: 10_000,
  ejectedShareMax: 0.1,
};

export interface OutlierState {
  readonly failures: number;
  readonly ejections: number;
  /** Left out until then; 0 where it is not. */
  readonly ejectedUntilMs: number;
  /** Since when it is in. */
  readonly sinceMs: number;
}

export type OutlierEvent = 'succeeded' | 'failed' | 'healthy';

export const freshOutlier: OutlierState = {
  failures: 0,
  ejections: 0,
  ejectedUntilMs: 0,
  sinceMs: 0,
};

export const isEjected = ({ ejectedUntilMs }: OutlierState, nowMs: number): boolean =>
  nowMs < ejectedUntilMs;

/** @param mayEject whether one more may be left out; see mayEject */
export function transitionOutlier(
  state: OutlierState,
  event: OutlierEvent,
  nowMs: number,
  mayEject: boolean,
  limits: OutlierLimits = envoyOutlierLimits,
): OutlierState {
  const forgiven = forgive(state, nowMs, limits);
  if (event === 'healthy')
    return isEjected(state, nowMs)
      ? { ...state, failures: 0, ejectedUntilMs: 0, sinceMs: nowMs }
      : forgiven;
  if (event === 'succeeded') return { ...forgiven, failures: 0 };
  const failures = forgiven.failures + 1;
  if (failures < limits.consecutiveFailuresMax || !mayEject) return { ...forgiven, failures };
  const ejections = forgiven.ejections + 1;
  const outMs = Math.min(limits.ejectionMs * ejections, limits.ejectionMsMax);
  return { failures: 0, ejections, ejectedUntilMs: nowMs + outMs, sinceMs: nowMs + outMs };
}

/** One ejection less for each interval that it has been in. */
function forgive(state: OutlierState, nowMs: number, { intervalMs }: OutlierLimits): OutlierState {
  const intervals = Math.floor((nowMs - state.sinceMs) / intervalMs);
  if (intervals < 1 || state.ejections === 0 || isEjected(state, nowMs)) return state;
  return {
    ...state,
    ejections: Math.max(0, state.ejections - intervals),
    sinceMs: state.sinceMs + intervals * intervalMs,
  };
}

export const mayEject = (
  ejected: number,
  all: number,
  { ejectedShareMax }: OutlierLimits = envoyOutlierLimits,
): boolean => ejected === 0 || (ejected + 1) / all <= ejectedShareMax;
