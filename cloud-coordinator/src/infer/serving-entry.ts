// One thing that can be asked of a model here: the whole network, or its cloud stage with a cut tensor. Requests of both
// kinds of caller, devices' escalations and clients of the Open Inference Protocol, share its batches.

import { isBatched, type TensorMap } from '@skerry/models';
import {
  type Caller,
  createModelStatistics,
  deadlineLeftMsOf,
  deadlineMsSchema,
  type InferRequest,
  type ServedAnswer,
  type ServedModel,
} from '@skerry/models/open-inference';
import {
  type Clock,
  describeIssues,
  err,
  failure,
  ok,
  type Result,
  requestDeadlineMsMax,
} from '@skerry/shared';
import { z } from 'zod';
import type { BatchLimits, QueuePolicy } from './batch-plan.ts';
import { type Batcher, createBatcher, type Turn } from './batcher.ts';
import { splitResults, stackKey, stackRequests } from './stack-tensors.ts';

export interface ServingLimits extends BatchLimits, QueuePolicy {
  /** Levels of priority that a request may name; 1 is the first to run. */
  readonly priorities: number;
}

export interface ServingEntry {
  readonly served: ServedModel;
  /** A request by its tensors: one row, or as many as its first dimension says. */
  submit(inputs: TensorMap, turn?: Partial<Turn>): Promise<Result<TensorMap>>;
  waiting(): number;
  /** When nothing waits and nothing runs. */
  idle(): Promise<void>;
  close(): void;
}

export interface EntryPorts {
  readonly clock: Clock;
  /** @param leftMs how long somebody waits for it */
  execute(feeds: TensorMap, leftMs: number): Promise<Result<TensorMap>>;
  ready(): boolean;
  /** False from an unload to the next load: clients are refused, also where `execute` would ask an upstream. */
  loaded(): boolean;
  /** What a client gets for the tensors that the model gave; those themselves where it is absent. */
  present?(outputs: TensorMap): Result<TensorMap>;
  onBatch(rows: number, computeMs: number): void;
}

const usPerMs = 1_000;

/** Triton's `priority` and `timeout` (µs in the queue), and ours: how long somebody waits for the answer. */
const parametersSchema = z.looseObject({
  priority: z.int().positive().optional(),
  timeout: z
    .number()
    .nonnegative()
    .max(requestDeadlineMsMax * usPerMs)
    .optional(),
  skerry_deadline_ms: deadlineMsSchema,
});

/** @param batchable whether the graph takes the rows of several requests at once */
export function createServingEntry(
  description: ServedModel['description'],
  batchable: boolean,
  limits: ServingLimits,
  ports: EntryPorts,
): ServingEntry {
  const { clock } = ports;
  const statistics = createModelStatistics();
  const rowsMax = batchable ? limits.rowsMax : 1;
  const batcher: Batcher<TensorMap, TensorMap> = createBatcher(
    { ...limits, rowsMax },
    clock,
    async (requests: readonly TensorMap[], leftMs) => {
      const feeds = stackRequests(requests);
      if (!feeds.ok) return feeds;
      const ran = await ports.execute(feeds.value, leftMs);
      return ran.ok ? splitResults(ran.value, requests.map(rowsOf)) : ran;
    },
    {
      ended: statistics.ended,
      ran(rows, queueMs, computeMs, nowMs) {
        statistics.ran(rows, queueMs, computeMs, nowMs);
        ports.onBatch(rows, computeMs);
      },
    },
  );

  const submit: ServingEntry['submit'] = (inputs, turn = {}) => {
    const rows = batchable ? rowsOf(inputs) : 1;
    return batcher.submit(inputs, { rows, key: stackKey(inputs), ...turn });
  };

  const infer = async (request: InferRequest, caller: Caller): Promise<Result<ServedAnswer>> => {
    if (!ports.loaded())
      return err(failure('unavailable', `Model with name ${description.name} is not ready.`));
    const turn = readTurn(request, caller, limits.priorities);
    if (!turn.ok) return turn;
    const rows = batchable ? checkRows(request.inputs, rowsMax) : ok(1);
    if (!rows.ok) return rows;
    const outputs = await submit(request.inputs, { ...turn.value, signal: caller.signal() });
    if (!outputs.ok) return outputs;
    const shown = ports.present?.(outputs.value) ?? outputs;
    return shown.ok ? ok({ outputs: shown.value, parameters: {} }) : shown;
  };

  return {
    served: { description, ready: ports.ready, statistics, infer },
    submit,
    waiting: batcher.waiting,
    idle: batcher.idle,
    close: batcher.close,
  };
}

const rowsOf = (inputs: TensorMap): number => Object.values(inputs)[0]?.shape[0] ?? 1;

function checkRows(inputs: TensorMap, rowsMax: number): Result<number> {
  const rows = rowsOf(inputs);
  if (Object.values(inputs).some(({ shape }) => shape[0] !== rows))
    return err(failure('invalid_tensor', 'the inputs differ in their first dimension'));
  if (rows >= 1 && rows <= rowsMax) return ok(rows);
  return err(failure('invalid_argument', `a request has 1 to ${rowsMax} rows, got ${rows}`));
}

function readTurn(
  request: InferRequest,
  caller: Caller,
  priorities: number,
): Result<Pick<Turn, 'priority' | 'queueTimeoutMs' | 'deadlineLeftMs'>> {
  const read = parametersSchema.safeParse(request.parameters);
  if (!read.success)
    return err(failure('invalid_argument', `parameters: ${describeIssues(read.error)}`));
  const { priority, timeout, skerry_deadline_ms: askedMs } = read.data;
  const deadlineLeftMs = deadlineLeftMsOf(askedMs, caller);
  if (priority !== undefined && priority > priorities)
    return err(failure('invalid_argument', `priority is from 1 to ${priorities}, got ${priority}`));
  return ok({
    priority: priority ?? middlePriority(priorities),
    ...(timeout === undefined ? {} : { queueTimeoutMs: timeout / usPerMs }),
    ...(deadlineLeftMs === undefined ? {} : { deadlineLeftMs }),
  });
}

/** Of a client who names none. */
export const middlePriority = (priorities: number): number => Math.ceil(priorities / 2);

/** Whether runs of a graph may hold the rows of several requests: all that enters and leaves it has a batch's dimension. */
export const isBatchable = ({
  inputs,
  outputs,
}: Pick<ServedModel['description'], 'inputs' | 'outputs'>): boolean =>
  [...inputs, ...outputs].every(({ shape }) => isBatched(shape));
