// gRPC's retry throttling (proposal A6, "Throttling Retry Attempts and Hedged RPCs"): retries and hedges are paid from
// tokens that failures take and successes slowly give back, so that they add little to the load of who is failing.
// A first attempt is never refused.

export interface RetryTokenLimits {
  readonly tokensMax: number;
  /** What a success gives back. */
  readonly tokenRatio: number;
}

/** The proposal's example: { "maxTokens": 10, "tokenRatio": 0.1 }. */
export const grpcRetryTokens: RetryTokenLimits = { tokensMax: 10, tokenRatio: 0.1 };

export type RetryEvent = 'succeeded' | 'failed';

/** Tokens after `event`. In thousandths, as the proposal has them: a tenth is no binary fraction. */
export function transitionRetryTokens(
  tokens: number,
  event: RetryEvent,
  { tokensMax, tokenRatio }: RetryTokenLimits = grpcRetryTokens,
): number {
  const next = event === 'failed' ? tokens - 1 : tokens + tokenRatio;
  return Math.min(tokensMax, Math.max(0, Math.round(next * 1_000) / 1_000));
}

/** Only above the half. */
export const mayRetry = (tokens: number, limits: RetryTokenLimits = grpcRetryTokens): boolean =>
  tokens > limits.tokensMax / 2;

export interface RetryTokens {
  /** Whether a retry, or a hedge, may go. */
  admits(): boolean;
  succeeded(): void;
  failed(): void;
}

export function createRetryTokens(limits: RetryTokenLimits = grpcRetryTokens): RetryTokens {
  let tokens = limits.tokensMax;
  const handle = (event: RetryEvent): void => {
    tokens = transitionRetryTokens(tokens, event, limits);
  };
  return {
    admits: () => mayRetry(tokens, limits),
    succeeded: () => handle('succeeded'),
    failed: () => handle('failed'),
  };
}
