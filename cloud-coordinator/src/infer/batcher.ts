// The shell around planBatch: holds the rows and the timer, runs one batch at a time. Rows that arrive during a run
// wait for the next one, so batches grow with the load by themselves.

import { type Clock, err, failure, ok, type Result, type Timer } from '@skerry/shared';
import { type BatchLimits, planBatch } from './batch-plan.ts';

export interface Batcher<Row, Out> {
  /** The row's own result, or `overloaded` at once when the queue is full, or `unavailable` once closed. */
  submit(row: Row): Promise<Result<Out>>;
  close(): void;
}

interface Waiting<Row, Out> {
  readonly row: Row;
  readonly arrivedAtMs: number;
  readonly resolve: (result: Result<Out>) => void;
}

/** `run` gets at most `rowsMax` rows and returns as many outputs, in the same order. */
export function createBatcher<Row, Out>(
  limits: BatchLimits,
  clock: Clock,
  run: (rows: readonly Row[]) => Promise<Result<readonly Out[]>>,
): Batcher<Row, Out> {
  let queue: Waiting<Row, Out>[] = [];
  let timer: Timer | undefined;
  let running = false;
  let closed = false;

  const advance = (): void => {
    timer?.cancel();
    timer = undefined;
    if (running || closed) return;
    const oldestAtMs = queue[0]?.arrivedAtMs ?? 0;
    const plan = planBatch(queue.length, oldestAtMs, clock.monotonicMs(), limits);
    if (plan.kind === 'wait') timer = clock.after(plan.delayMs, advance);
    if (plan.kind === 'run') void runBatch(queue.splice(0, plan.rows));
  };

  const runBatch = async (batch: readonly Waiting<Row, Out>[]): Promise<void> => {
    running = true;
    const results = await run(batch.map((w) => w.row));
    running = false;
    for (const [i, waiting] of batch.entries())
      waiting.resolve(results.ok ? ok(results.value[i] as Out) : results);
    advance();
  };

  return {
    submit(row) {
      if (closed) return Promise.resolve(err(failure('unavailable', 'the batcher is closed')));
      if (queue.length >= limits.queueRowsMax)
        return Promise.resolve(
          err(failure('overloaded', `${limits.queueRowsMax} rows are already waiting`)),
        );
      return new Promise((resolve) => {
        queue.push({ row, arrivedAtMs: clock.monotonicMs(), resolve });
        advance();
      });
    },
    close() {
      closed = true;
      timer?.cancel();
      for (const waiting of queue)
        waiting.resolve(err(failure('unavailable', 'the batcher is closed')));
      queue = [];
    },
  };
}
