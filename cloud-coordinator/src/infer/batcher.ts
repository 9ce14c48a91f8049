// The shell around planQueue: holds the queue, the timer and the free slots. Requests that arrive during a run wait for
// the next one, so batches grow with the load by themselves. Whoever has gone, or whose time is up, never reaches the
// model; a question whose late answer is wanted too gives way to those that somebody waits for.

import { failReasonOf, type ModelStatistics } from '@skerry/models/open-inference';
import { type Clock, err, failure, messageOf, ok, type Result, type Timer } from '@skerry/shared';
import { type BatchLimits, planQueue, type QueuePolicy, type Waiting } from './batch-plan.ts';

/** What a request says about its turn. */
export interface Turn {
  readonly rows: number;
  readonly key?: string;
  /** 1 is the first to run. */
  readonly priority?: number;
  readonly queueTimeoutMs?: number;
  readonly deadlineLeftMs?: number;
  /** A late answer is wanted too: the priority once the deadline has passed. */
  readonly latePriority?: number;
  readonly signal?: AbortSignal;
  /** Already bounded by whoever asks: the queue has always room for it, and its timeout is not for it. */
  readonly bounded?: boolean;
}

export interface Batcher<Item, Out> {
  /**
   * The item's own result. Fails with `overloaded` at once when the queue is full, `deadline_exceeded` when its time is
   * up in the queue, `unavailable` when its caller has gone or the batcher is closed.
   */
  submit(item: Item, turn: Turn): Promise<Result<Out>>;
  waiting(): number;
  /** When nothing waits and nothing runs. */
  idle(): Promise<void>;
  close(): void;
}

interface Entry<Item, Out> extends Waiting {
  readonly item: Item;
  priority: number;
  deadlineAtMs: number;
  readonly settle: (result: Result<Out>, cancelled?: boolean) => void;
}

const defaultPriority = 1;

/**
 * `run` gets at most `rowsMax` rows of one key and returns as many outputs as items, in the same order. `leftMs` is how
 * long the last of them is waited for.
 */
export function createBatcher<Item, Out>(
  limits: BatchLimits & QueuePolicy,
  clock: Clock,
  run: (items: readonly Item[], leftMs: number) => Promise<Result<readonly Out[]>>,
  statistics: Pick<ModelStatistics, 'ended' | 'ran'>,
): Batcher<Item, Out> {
  let queue: Entry<Item, Out>[] = [];
  let queuedRows = 0;
  let running = 0;
  /** The last run. */
  let runMs = 0;
  let closed = false;
  let timer: Timer | undefined;
  const onIdle: (() => void)[] = [];
  const isIdle = (): boolean => queue.length === 0 && running === 0;

  const remove = (gone: ReadonlySet<Entry<Item, Out>>): void => {
    queue = queue.filter((entry) => !gone.has(entry));
    for (const { rows } of gone) queuedRows -= rows;
  };

  const advance = (): void => {
    timer?.cancel();
    timer = undefined;
    for (;;) {
      const nowMs = clock.monotonicMs();
      const free = limits.slots - running;
      const plan = planQueue(queue, free, nowMs, { ...limits, runMs }, limits.timeoutAction);
      remove(new Set([...plan.expired, ...plan.late, ...(plan.batch ?? [])]));
      for (const entry of plan.expired)
        entry.settle(err(failure('deadline_exceeded', reasonOf(entry, nowMs))));
      for (const entry of plan.late) enqueue(late(entry));
      if (plan.expired.length > 0) tellIdle();
      if (plan.batch === undefined) {
        if (plan.late.length > 0) continue;
        if (plan.wakeAtMs !== undefined) timer = clock.after(plan.wakeAtMs - nowMs, advance);
        return;
      }
      void runBatch(plan.batch, nowMs);
    }
  };

  const runBatch = async (batch: readonly Entry<Item, Out>[], startMs: number): Promise<void> => {
    running += 1;
    const untilMs = Math.max(...batch.map(waitedForUntilMs));
    const items = batch.map(({ item }) => item);
    const ran = async () => run(items, untilMs - startMs);
    // What meets a bug has its end, and those behind it their turn.
    const results = await ran().catch(
      (thrown): Result<readonly Out[]> => err(failure('internal', messageOf(thrown))),
    );
    running -= 1;
    const rows = batch.reduce((sum, entry) => sum + entry.rows, 0);
    const waitedMs = batch.map(({ arrivedAtMs }) => startMs - arrivedAtMs);
    if (results.ok) {
      runMs = clock.monotonicMs() - startMs;
      statistics.ran(rows, waitedMs, runMs, clock.nowMs());
    }
    for (const [i, entry] of batch.entries())
      entry.settle(results.ok ? ok(results.value[i] as Out) : results);
    if (!closed) advance();
    tellIdle();
  };

  const tellIdle = (): void => {
    if (isIdle()) for (const tell of onIdle.splice(0)) tell();
  };

  const enqueue = (entry: Entry<Item, Out>): void => {
    const behind = queue.findLastIndex(
      ({ priority, arrivedAtMs }) =>
        priority < entry.priority ||
        (priority === entry.priority && arrivedAtMs <= entry.arrivedAtMs),
    );
    queue.splice(behind + 1, 0, entry);
    queuedRows += entry.rows;
  };

  const timeoutMsOf = ({ queueTimeoutMs, bounded }: Turn): number => {
    if (bounded === true) return Number.POSITIVE_INFINITY;
    const wanted = limits.allowTimeoutOverride ? (queueTimeoutMs ?? 0) : 0;
    const least = Math.min(
      wanted || Number.POSITIVE_INFINITY,
      limits.defaultTimeoutMs || Number.POSITIVE_INFINITY,
    );
    return least;
  };

  const refuse = (error: ReturnType<typeof failure>): Promise<Result<Out>> => {
    statistics.ended(0, failReasonOf(error.code));
    return Promise.resolve(err(error));
  };

  return {
    waiting: () => queuedRows,
    idle: () => new Promise((resolve) => (isIdle() ? resolve() : onIdle.push(resolve))),
    submit(item, turn) {
      const { rows, signal } = turn;
      if (closed) return refuse(failure('unavailable', 'the batcher is closed'));
      if (signal?.aborted) return refuse(failure('unavailable', 'the caller has gone'));
      if (turn.bounded !== true && queuedRows + rows > limits.queueRowsMax)
        return refuse(failure('overloaded', `${queuedRows} rows are already waiting`));
      const arrivedAtMs = clock.monotonicMs();
      return new Promise((resolve) => {
        const onAbort = (): void => {
          if (!queue.includes(entry)) return; // It runs: the others in its batch need it.
          remove(new Set([entry]));
          entry.settle(err(failure('unavailable', 'the caller has gone')), true);
          advance();
          tellIdle();
        };
        const entry: Entry<Item, Out> = {
          item,
          rows,
          key: turn.key ?? '',
          priority: turn.priority ?? defaultPriority,
          arrivedAtMs,
          timeoutAtMs: arrivedAtMs + timeoutMsOf(turn),
          deadlineAtMs: arrivedAtMs + (turn.deadlineLeftMs ?? Number.POSITIVE_INFINITY),
          ...(turn.latePriority === undefined ? {} : { latePriority: turn.latePriority }),
          settle(result, cancelled = false) {
            signal?.removeEventListener('abort', onAbort);
            const reason = result.ok ? undefined : failReasonOf(result.error.code);
            statistics.ended(clock.monotonicMs() - arrivedAtMs, cancelled ? 'CANCELED' : reason);
            resolve(result);
          },
        };
        signal?.addEventListener('abort', onAbort, { once: true });
        enqueue(entry);
        advance();
      });
    },
    close() {
      closed = true;
      timer?.cancel();
      const left = queue;
      remove(new Set(left));
      for (const entry of left) entry.settle(err(failure('unavailable', 'the batcher is closed')));
      tellIdle();
    },
  };
}

function late<Item, Out>(entry: Entry<Item, Out>): Entry<Item, Out> {
  entry.priority = entry.latePriority ?? entry.priority;
  entry.deadlineAtMs = Number.POSITIVE_INFINITY;
  return entry;
}

const waitedForUntilMs = ({ deadlineAtMs, latePriority }: Waiting): number =>
  latePriority === undefined ? deadlineAtMs : Number.POSITIVE_INFINITY;

const reasonOf = ({ arrivedAtMs, deadlineAtMs }: Waiting, nowMs: number): string => {
  const waited = `after ${Math.round(nowMs - arrivedAtMs)} ms in the queue, before the model was free`;
  return deadlineAtMs <= nowMs
    ? `its deadline passed ${waited}`
    : `the queue’s timeout was up ${waited}`;
};
