export { type Bulkhead, createBulkhead, hystrixConcurrentMax } from './bulkhead.ts';
export {
  type Breaker,
  type BreakerEvent,
  type BreakerLimits,
  type BreakerState,
  closedBreaker,
  createBreaker,
  hystrixLimits,
  transitionBreaker,
} from './circuit-breaker.ts';
export { withDeadline } from './deadline.ts';
export { type HedgeTerms, hedgeAfterShare, hedged } from './hedge.ts';
export { createLatencyWindow, type LatencyWindow } from './latency-window.ts';
export {
  createRetryTokens,
  grpcRetryTokens,
  mayRetry,
  type RetryTokenLimits,
  type RetryTokens,
  transitionRetryTokens,
} from './retry-tokens.ts';
