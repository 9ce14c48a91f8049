// Open Inference Protocol v2 over REST, with the binary tensor data extension.
// https://github.com/kserve/open-inference-protocol
//
// Request parameters of ours: `skerry_deadline_ms`, `skerry_policy`. The answer's parameters say where it came from.

import {
  type BytesTensor,
  checkTensor,
  encodeInferResponse,
  type InferRequest,
  type Manifest,
  parseInferRequest,
  type Tensor,
} from '@skerry/models';
import { defined, describeIssues, err, failure, ok, type Result } from '@skerry/shared';
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import type { Inference, InferenceAnswer, InferenceRequest } from '../infer/inference.ts';
import type { Model } from '../infer/model.ts';
import { policies } from '../route/decide.ts';
import { refuse } from './refuse.ts';

export interface OpenInferenceRoutes {
  readonly agentVersion: string;
  readonly models: ReadonlyMap<string, Model>;
  readonly inference: Pick<Inference, 'infer'>;
}

const headerLengthName = 'Inference-Header-Content-Length';
const outputNames = ['label', 'probabilities'] as const;

/** Parameters of others pass; one that looks like ours and is not is a typo. */
const parametersSchema = z.looseObject({
  skerry_deadline_ms: z.number().positive().max(600_000).optional(),
  skerry_policy: z.enum(policies).optional(),
});

export function openInferenceRoutes({
  agentVersion,
  models,
  inference,
}: OpenInferenceRoutes): Hono {
  const app = new Hono();
  const find = (c: Context): Result<Model> => {
    const name = c.req.param('model') ?? '';
    const version = c.req.param('version');
    const model = models.get(name);
    if (model !== undefined && (version ?? model.manifest.version) === model.manifest.version)
      return ok(model);
    const wanted = version === undefined ? name : `${name} version ${version}`;
    return err(failure('model_not_found', `Model with name ${wanted} does not exist.`));
  };

  app.get('/', (c) =>
    c.json({ name: 'skerry', version: agentVersion, extensions: ['binary_tensor_data'] }),
  );
  app.get('/health/live', (c) => c.json({ live: true }));
  app.get('/health/ready', (c) => {
    const ready = [...models.values()].every((model) => model.ready());
    return c.json({ ready }, ready ? 200 : 503);
  });
  app.get('/models', (c) => c.json({ models: [...models.keys()] }));
  for (const path of ['/models/:model', '/models/:model/versions/:version']) {
    app.get(path, (c) => {
      const model = find(c);
      return model.ok ? c.json(metadataOf(model.value)) : refuse(c, model.error);
    });
    app.get(`${path}/ready`, (c) => {
      const model = find(c);
      return model.ok
        ? c.json(
            { name: model.value.manifest.name, ready: model.value.ready() },
            model.value.ready() ? 200 : 503,
          )
        : refuse(c, model.error);
    });
    app.post(`${path}/infer`, async (c) => {
      const model = find(c);
      if (!model.ok) return refuse(c, model.error);
      const body = new Uint8Array(await c.req.arrayBuffer());
      const read = parseInferRequest(body, c.req.header(headerLengthName));
      if (!read.ok) return refuse(c, read.error);
      const request = requestOf(model.value, read.value, () => c.req.raw.signal);
      if (!request.ok) return refuse(c, request.error);
      const answer = await inference.infer(request.value);
      return answer.ok ? respond(c, read.value, answer.value) : refuse(c, answer.error);
    });
  }
  return app;
}

/** What a client must send: one example a request, for each has a decision of its own. */
function inputOf({ inputs }: Manifest) {
  const { name, datatype, shape } = defined(inputs[0], 'the bundle’s input');
  return { name, datatype, shape: shape.map((size) => (size === -1 ? 1 : size)) };
}

function metadataOf({ manifest, variant }: Model) {
  return {
    name: manifest.name,
    versions: [manifest.version],
    platform: 'onnx_onnxv1',
    inputs: [inputOf(manifest)],
    outputs: [
      { name: 'label', datatype: 'BYTES', shape: [1] },
      { name: 'probabilities', datatype: 'FP32', shape: [1, manifest.labels.length] },
    ],
    properties: { model_digest: variant, licence: manifest.licence, task: manifest.task },
  };
}

function requestOf(
  { manifest }: Model,
  read: InferRequest,
  signal: () => AbortSignal,
): Result<InferenceRequest> {
  const spec = inputOf(manifest);
  const { [spec.name]: input, ...others } = read.inputs;
  if (input === undefined)
    return err(failure('invalid_argument', `model ${manifest.name} takes input '${spec.name}'`));
  const [stranger] = Object.keys(others);
  if (stranger !== undefined)
    return err(failure('invalid_argument', `model ${manifest.name} takes no input '${stranger}'`));
  const unknown = read.outputs?.find((name) => !outputNames.some((known) => known === name));
  if (unknown !== undefined)
    return err(failure('invalid_argument', `model ${manifest.name} has no output '${unknown}'`));
  const checked = checkTensor(spec, input);
  if (!checked.ok) return checked;
  const parameters = parametersSchema.safeParse(read.parameters);
  if (!parameters.success)
    return err(failure('invalid_argument', `parameters: ${describeIssues(parameters.error)}`));
  const typo = Object.keys(parameters.data).find(
    (key) => key.startsWith('skerry_') && !(key in parametersSchema.shape),
  );
  if (typo !== undefined)
    return err(failure('invalid_argument', `there is no parameter '${typo.slice(0, 64)}'`));
  const { skerry_deadline_ms: deadlineMs, skerry_policy: policy } = parameters.data;
  return ok({
    model: manifest.name,
    input,
    signal,
    ...(read.id === undefined ? {} : { clientId: read.id }),
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
    ...(policy === undefined ? {} : { policy }),
  });
}

function respond(c: Context, read: InferRequest, answer: InferenceAnswer): Response {
  const { manifest, variant } = answer.model;
  const all: Record<string, Tensor | BytesTensor> = {
    label: { datatype: 'BYTES', shape: [1], data: [manifest.labels[answer.label] ?? ''] },
    probabilities: {
      datatype: 'FP32',
      shape: [1, answer.probabilities.length],
      data: Float32Array.from(answer.probabilities),
    },
  };
  const wanted = read.outputs ?? outputNames;
  const encoded = encodeInferResponse(
    {
      modelName: manifest.name,
      modelVersion: manifest.version,
      ...(read.id === undefined ? {} : { id: read.id }),
      parameters: {
        skerry_request_id: answer.requestId,
        source: answer.source,
        confidence: answer.confidence,
        model_digest: variant,
        degraded: answer.degraded,
        reason: answer.reason,
        pending: answer.pending,
      },
      outputs: Object.fromEntries(wanted.map((name) => [name, defined(all[name], name)])),
    },
    read.binary,
  );
  if (encoded.headerLength !== undefined) c.header(headerLengthName, String(encoded.headerLength));
  return c.body(encoded.body as Uint8Array<ArrayBuffer>, 200, {
    'content-type': encoded.contentType,
  });
}
