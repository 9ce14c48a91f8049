// When a call to an upstream may be sent to a second one too: after the time in which nearly all are answered, and for no
// more than a share of the calls, so that upstreams which are slow all at once are not asked twice as much as well.

import {
  createLatencyWindow,
  hedgeAfterShare,
  type LatencyWindow,
} from '@skerry/shared/resilience';

export interface HedgeBudget {
  /** A first call goes. */
  called(): void;
  /** When a second one may follow; undefined while too little is known of this model. */
  delayMs(model: string): number | undefined;
  /** Whether a second call goes; it is paid for then. */
  admits(): boolean;
  observe(model: string, latencyMs: number): void;
}

/** Calls that were not needed twice save up for as many that are, and no more. */
const savedMax = 10;
const modelsMax = 1_000;

/** @param shareMax second calls, of all first ones; 0 is none */
export function createHedgeBudget(shareMax: number): HedgeBudget {
  let saved = 0;
  const windows = new Map<string, LatencyWindow>();
  return {
    called() {
      saved = Math.min(savedMax, saved + shareMax);
    },
    delayMs: (model) => windows.get(model)?.quantileMs(hedgeAfterShare),
    admits() {
      if (saved < 1) return false;
      saved -= 1;
      return true;
    },
    observe(model, latencyMs) {
      const window = windows.get(model) ?? createLatencyWindow();
      windows.set(model, window);
      window.observe(latencyMs);
      const [oldest] = windows.keys();
      if (windows.size > modelsMax && oldest !== undefined) windows.delete(oldest);
    },
  };
}
