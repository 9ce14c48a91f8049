export { type Bulkhead, createBulkhead } from './bulkhead.ts';
export { type Breaker, createBreaker } from './circuit-breaker.ts';
export { withDeadline } from './deadline.ts';
export { type HedgeTerms, hedgeAfterShare, hedged } from './hedge.ts';
export { createLatencyWindow, type LatencyWindow } from './latency-window.ts';
export { createRetryTokens, type RetryTokens } from './retry-tokens.ts';
