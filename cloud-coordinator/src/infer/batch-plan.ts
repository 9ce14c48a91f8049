// Who runs next: pure. Requests wait in order of priority, then of arrival, until a batch is full or its oldest has waited
// long enough, and never longer than somebody wants the answer. What Triton's dynamic batcher and queue policy do, with
// one difference: time that is up is up at once, also while the model runs (triton-inference-server/server#7512).

export interface BatchLimits {
  /** Rows in one run. */
  readonly rowsMax: number;
  /** How long the oldest of a batch may wait for company; 0 takes what is there. */
  readonly delayMs: number;
  /** Runs at once: instances of the model. */
  readonly slots: number;
}

export interface QueuePolicy {
  /** Rows that wait; one more is refused. */
  readonly queueRowsMax: number;
  /** `reject` fails whoever has waited too long, `delay` lets them wait behind everybody else. */
  readonly timeoutAction: 'reject' | 'delay';
  /** How long a request may wait in the queue; 0: for ever. */
  readonly defaultTimeoutMs: number;
  /** Whether a request may name a shorter timeout. */
  readonly allowTimeoutOverride: boolean;
}

export interface Waiting {
  readonly rows: number;
  /** Requests of one key may run together. */
  readonly key: string;
  /** 1 is the first to run. */
  readonly priority: number;
  readonly arrivedAtMs: number;
  /** When the queue's timeout is up. */
  readonly timeoutAtMs: number;
  /** When nobody waits for the answer any more. */
  readonly deadlineAtMs: number;
  /** Its priority from then on; absent where a late answer is of no use. */
  readonly latePriority?: number;
}

export interface QueuePlan<W> {
  /** Not to be run. */
  readonly expired: readonly W[];
  /** Nobody waits for them any more, and they are wanted all the same: to be put at their late place. */
  readonly late: readonly W[];
  /** To be run now. */
  readonly batch?: readonly W[];
  /** When to plan again, if nothing happens before. */
  readonly wakeAtMs?: number;
}

type Gathering = Pick<BatchLimits, 'rowsMax' | 'delayMs'> & {
  /** What a run takes, so that waiting for company does not use up a deadline. */
  readonly runMs: number;
};

/** @param queue in order of priority, then of arrival */
export function planQueue<W extends Waiting>(
  queue: readonly W[],
  freeSlots: number,
  nowMs: number,
  limits: Gathering,
  timeoutAction: QueuePolicy['timeoutAction'],
): QueuePlan<W> {
  const expired: W[] = [];
  const late: W[] = [];
  const inTime: W[] = [];
  const overdue: W[] = [];
  let wakeAtMs = Number.POSITIVE_INFINITY;
  for (const waiting of queue) {
    const isOverdue = waiting.timeoutAtMs <= nowMs;
    if (waiting.deadlineAtMs <= nowMs && waiting.latePriority !== undefined) {
      late.push(waiting);
      continue;
    }
    if (waiting.deadlineAtMs <= nowMs || (isOverdue && timeoutAction === 'reject')) {
      expired.push(waiting);
      continue;
    }
    (isOverdue ? overdue : inTime).push(waiting);
    wakeAtMs = Math.min(wakeAtMs, waiting.deadlineAtMs, isOverdue ? wakeAtMs : waiting.timeoutAtMs);
  }
  if (freeSlots > 0) {
    const { batch, dueAtMs } = gather([...inTime, ...overdue], limits);
    if (batch.length > 0 && dueAtMs <= nowMs) return { expired, late, batch };
    wakeAtMs = Math.min(wakeAtMs, dueAtMs);
  }
  return Number.isFinite(wakeAtMs) ? { expired, late, wakeAtMs } : { expired, late };
}

/** The head of the queue and those behind it that may run with it; due at once where no more could join. */
function gather<W extends Waiting>(
  queue: readonly W[],
  { rowsMax, delayMs, runMs }: Gathering,
): { batch: W[]; dueAtMs: number } {
  const batch: W[] = [];
  let rows = 0;
  let dueAtMs = Number.POSITIVE_INFINITY;
  for (const waiting of queue) {
    const fits = waiting.key === queue[0]?.key && rows + waiting.rows <= rowsMax;
    if (!fits && batch.length > 0) return { batch, dueAtMs: 0 };
    batch.push(waiting);
    rows += waiting.rows;
    dueAtMs = Math.min(dueAtMs, waiting.arrivedAtMs + delayMs, waiting.deadlineAtMs - runMs);
    if (rows >= rowsMax) return { batch, dueAtMs: 0 };
  }
  return { batch, dueAtMs };
}
