// A classifier of the device as the Open Inference Protocol serves it: one example a request, for each has a decision of
// its own.
//
// Request parameters of ours: `skerry_deadline_ms`, `skerry_policy`. The answer's parameters say where it came from.

import { executionProperties, type TensorSpec, textTensor } from '@skerry/models';
import {
  type Caller,
  deadlineLeftMsOf,
  deadlineMsSchema,
  failReasonOf,
  type InferRequest,
  type ModelStatistics,
  type ServedAnswer,
  type ServedModel,
} from '@skerry/models/open-inference';
import { type Clock, defined, describeIssues, err, failure, ok, type Result } from '@skerry/shared';
import { z } from 'zod';
import { policies } from '../route/decide.ts';
import type { Inference } from './inference.ts';
import type { Model } from './model.ts';
import type { InferenceAnswer, InferenceRequest } from './request.ts';

/** Parameters of others pass; one that looks like ours and is not is a typo. */
export const parametersSchema = z.looseObject({
  skerry_deadline_ms: deadlineMsSchema,
  skerry_policy: z.enum(policies).optional(),
});

export function serveClassifier(
  model: Model,
  inference: Pick<Inference, 'infer'>,
  statistics: ModelStatistics,
  clock: Clock,
): ServedModel {
  const { manifest, variant } = model;
  const { name, version, licence, task, labels } = manifest;
  const spec = inputOf(model);
  return {
    description: {
      name,
      version,
      platform: 'onnx_onnxv1',
      inputs: [spec],
      outputs: [
        { name: 'label', datatype: 'BYTES', shape: [1] },
        { name: 'probabilities', datatype: 'FP32', shape: [1, labels.length] },
      ],
      /** Of now: a session may be left for the cpu while it runs. */
      get properties() {
        const provided = executionProperties(model.executions());
        return { model_digest: variant, licence, task, ...provided };
      },
    },
    ready: model.ready,
    statistics,
    async infer(request, caller) {
      const startedMs = clock.monotonicMs();
      const read = requestOf(name, spec, request, caller);
      const answer = read.ok ? await inference.infer(read.value) : read;
      const tookMs = clock.monotonicMs() - startedMs;
      statistics.ended(tookMs, answer.ok ? undefined : failReasonOf(answer.error.code));
      return answer.ok ? ok(describeAnswer(answer.value)) : answer;
    },
  };
}

/** The model, its runs counted: an execution is one of its first stage, which every request has. */
export function countRuns(model: Model, statistics: ModelStatistics, clock: Clock): Model {
  return {
    ...model,
    async runStage(place, input) {
      const startedMs = clock.monotonicMs();
      const ran = await model.runStage(place, input);
      if (ran.ok && place === 0)
        statistics.ran(1, [0], clock.monotonicMs() - startedMs, clock.nowMs());
      return ran;
    },
  };
}

function inputOf({ manifest }: Model): TensorSpec {
  const { name, datatype, shape } = defined(manifest.inputs[0], 'the bundle’s input');
  return { name, datatype, shape: shape.map((size) => (size === -1 ? 1 : size)) };
}

function requestOf(
  model: string,
  spec: TensorSpec,
  read: InferRequest,
  caller: Caller,
): Result<InferenceRequest> {
  const parameters = parametersSchema.safeParse(read.parameters);
  if (!parameters.success)
    return err(failure('invalid_argument', `parameters: ${describeIssues(parameters.error)}`));
  const typo = Object.keys(parameters.data).find(
    (key) => key.startsWith('skerry_') && !(key in parametersSchema.shape),
  );
  if (typo !== undefined)
    return err(failure('invalid_argument', `there is no parameter '${typo.slice(0, 64)}'`));
  const { skerry_deadline_ms: askedMs, skerry_policy: policy } = parameters.data;
  const deadlineMs = deadlineLeftMsOf(askedMs, caller);
  return ok({
    model,
    input: defined(read.inputs[spec.name], 'the input'),
    signal: caller.signal,
    ...(read.id === undefined ? {} : { clientId: read.id }),
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
    ...(policy === undefined ? {} : { policy }),
  });
}

function describeAnswer(answer: InferenceAnswer): ServedAnswer {
  const { manifest, variant } = answer.model;
  return {
    outputs: {
      label: textTensor([1], [manifest.labels[answer.label] ?? '']),
      probabilities: {
        datatype: 'FP32',
        shape: [1, answer.probabilities.length],
        data: Float32Array.from(answer.probabilities),
      },
    },
    parameters: {
      skerry_request_id: answer.requestId,
      source: answer.source,
      confidence: answer.confidence,
      model_digest: variant,
      degraded: answer.degraded,
      reason: answer.reason,
      pending: answer.pending,
    },
  };
}
