// What a model has done since it was loaded, in the shape of Triton's statistics extension. An inference is one row of
// one request, an execution one run of the model: their ratio is the average batch.

import type { FailureCode } from '@skerry/shared';

interface Timed {
  readonly count: number;
  readonly ns: number;
}

/** Why a request failed: Triton's reasons. */
export type FailReason = 'REJECTED' | 'CANCELED' | 'BACKEND' | 'OTHER';

export interface StatisticsReading {
  readonly lastInferenceMs: number;
  readonly inferences: number;
  readonly executions: number;
  readonly success: Timed;
  readonly fail: Timed;
  readonly queue: Timed;
  readonly compute: Timed;
  readonly failures: Readonly<Record<FailReason, number>>;
  readonly batches: readonly { readonly rows: number; readonly compute: Timed }[];
}

export interface ModelStatistics {
  /** A request was answered, or was not. `tookMs` counts from its arrival. */
  ended(tookMs: number, failed?: FailReason): void;
  /** The model ran once over the rows of requests that had waited so long. */
  ran(rows: number, queueMs: readonly number[], computeMs: number, nowMs: number): void;
  read(): StatisticsReading;
}

const nsPerMs = 1e6;

const createTimed = () => {
  let count = 0;
  let ms = 0;
  return {
    add(tookMs: number, times = 1): void {
      count += times;
      ms += tookMs * times;
    },
    read: (): Timed => ({ count, ns: Math.round(ms * nsPerMs) }),
  };
};

export function createModelStatistics(): ModelStatistics {
  const success = createTimed();
  const fail = createTimed();
  const queue = createTimed();
  const compute = createTimed();
  const failures: Record<FailReason, number> = { REJECTED: 0, CANCELED: 0, BACKEND: 0, OTHER: 0 };
  const batches = new Map<number, ReturnType<typeof createTimed>>();
  let inferences = 0;
  let executions = 0;
  let lastInferenceMs = 0;
  return {
    ended(tookMs, failed) {
      if (failed === undefined) return success.add(tookMs);
      failures[failed] += 1;
      fail.add(tookMs);
    },
    ran(rows, queueMs, computeMs, nowMs) {
      inferences += rows;
      executions += 1;
      lastInferenceMs = nowMs;
      for (const waitedMs of queueMs) queue.add(waitedMs);
      compute.add(computeMs, queueMs.length);
      const ofSize = batches.get(rows) ?? createTimed();
      ofSize.add(computeMs);
      batches.set(rows, ofSize);
    },
    read: () => ({
      lastInferenceMs,
      inferences,
      executions,
      success: success.read(),
      fail: fail.read(),
      queue: queue.read(),
      compute: compute.read(),
      failures: { ...failures },
      batches: [...batches]
        .sort(([a], [b]) => a - b)
        .map(([rows, timed]) => ({ rows, compute: timed.read() })),
    }),
  };
}

export function failReasonOf(code: FailureCode): FailReason {
  if (code === 'overloaded' || code === 'deadline_exceeded') return 'REJECTED';
  return code === 'runtime_failed' ? 'BACKEND' : 'OTHER';
}

const never: Timed = { count: 0, ns: 0 };

/** One entry of `model_stats`. Copying in and out is not told apart from computing. */
export function describeStatistics(name: string, version: string, read: StatisticsReading) {
  return {
    name,
    version,
    last_inference: read.lastInferenceMs,
    inference_count: read.inferences,
    execution_count: read.executions,
    inference_stats: {
      success: read.success,
      fail: read.fail,
      queue: read.queue,
      compute_input: never,
      compute_infer: read.compute,
      compute_output: never,
      cache_hit: never,
      cache_miss: never,
    },
    batch_stats: read.batches.map(({ rows, compute }) => ({
      batch_size: rows,
      compute_input: never,
      compute_infer: compute,
      compute_output: never,
    })),
    fail_reasons: read.failures,
  };
}
