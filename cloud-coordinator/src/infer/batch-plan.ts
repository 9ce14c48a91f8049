// When to run a batch: pure. Rows wait for company until the batch is full or the oldest has waited long enough
// (dynamic batching: Triton's `max_queue_delay_microseconds`, with the same trade of latency for throughput).

export interface BatchLimits {
  /** Rows in one run. */
  readonly rowsMax: number;
  /** How long the oldest row may wait for company. */
  readonly delayMs: number;
  /** Rows that wait; one more is refused. */
  readonly queueRowsMax: number;
}

export type BatchPlan =
  | { readonly kind: 'idle' }
  | { readonly kind: 'wait'; readonly delayMs: number }
  | { readonly kind: 'run'; readonly rows: number };

/** What to do with `rows` that wait, the oldest since `oldestAtMs`. */
export function planBatch(
  rows: number,
  oldestAtMs: number,
  nowMs: number,
  limits: Pick<BatchLimits, 'rowsMax' | 'delayMs'>,
): BatchPlan {
  if (rows === 0) return { kind: 'idle' };
  if (rows >= limits.rowsMax) return { kind: 'run', rows: limits.rowsMax };
  const leftMs = oldestAtMs + limits.delayMs - nowMs;
  return leftMs > 0 ? { kind: 'wait', delayMs: leftMs } : { kind: 'run', rows };
}
