// Servers of the Open Inference Protocol as they are: Triton, KServe, and one that takes the specification's own examples
// at their word. Each has the model `double`: x FP32 [−1, 2] → y = 2x. Written from their documentation.

import {
  type MockReply,
  type MockRequest,
  type MockServer,
  startMock,
} from '@skerry/models/testing';

export type OpenInferenceFlavour = 'triton' | 'kserve' | 'specification';

interface Flavour {
  readonly extensions: readonly string[];
  ready(ready: boolean): MockReply;
  readonly overloaded: MockReply;
  unknownModel(name: string): MockReply;
  readonly versions: 'served' | 'not implemented';
  /** How it says which models it has: Triton's index, KServe's list, not at all. */
  readonly lists: 'index' | 'models' | 'nothing';
  /** Of `double`, beside what it takes and gives. */
  readonly metadata: object;
  /** What stands in a response beside the outputs. */
  response(model: string, id: unknown): object;
}

const error = (status: number, text: string): MockReply => ({ status, body: { error: text } });

const flavours: Readonly<Record<OpenInferenceFlavour, Flavour>> = {
  triton: {
    extensions: [
      'classification',
      'sequence',
      'model_repository',
      'binary_tensor_data',
      'schedule_policy',
      'statistics',
    ],
    // Empty, text/plain: the status is the answer.
    ready: (ready) => ({
      status: ready ? 200 : 400,
      headers: { 'content-type': 'text/plain' },
      body: '',
    }),
    overloaded: error(503, 'Exceeds maximum queue size'),
    unknownModel: (name) => error(400, `Request for unknown model: '${name}' is not found`),
    versions: 'served',
    lists: 'index',
    metadata: { versions: ['1', '2'], platform: 'onnxruntime_onnx' },
    response: (model, id) => ({
      model_name: model,
      model_version: '1',
      ...(id === undefined ? {} : { id }),
    }),
  },
  kserve: {
    // It takes binary data and does not say so.
    extensions: ['model_repository_extension'],
    ready: (ready) => ({ status: ready ? 200 : 503, body: { ready } }),
    overloaded: error(503, 'no healthy upstream'),
    unknownModel: (name) => error(404, `Model with name ${name} does not exist.`),
    versions: 'not implemented',
    lists: 'models',
    metadata: { versions: null, platform: '' },
    response: (model, id) => ({
      model_name: model,
      model_version: null,
      id: id ?? '2f1c',
      parameters: null,
    }),
  },
  specification: {
    extensions: [],
    ready: (ready) => ({ status: ready ? 200 : 503, body: { live: ready } }),
    overloaded: error(503, 'overloaded'),
    unknownModel: (name) => error(404, `no such model: ${name}`),
    versions: 'served',
    lists: 'nothing',
    metadata: {},
    // The example of the specification has no model_name.
    response: () => ({ id: '42' }),
  },
};

const takesAndGives = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 2] }],
};
const headerLengthName = 'inference-header-content-length';

export function startOpenInferenceMock(which: OpenInferenceFlavour): Promise<MockServer> {
  const flavour = flavours[which];
  return startMock({
    overloaded: flavour.overloaded,
    isAsk: ({ path }) => path.endsWith('/infer'),
    reply(request, ready) {
      const { path } = request;
      if (path === '/v2/health/ready') return flavour.ready(ready);
      if (path === '/v2' || path === '/v2/')
        return { status: 200, body: { name: which, version: '1', extensions: flavour.extensions } };
      if (path === '/v2/repository/index' && request.method === 'POST' && flavour.lists === 'index')
        return { status: 200, body: [{ name: 'double', version: '2', state: 'READY' }] };
      if (path === '/v2/models' && flavour.lists === 'models')
        return { status: 200, body: { models: ['double'] } };
      if (path === '/v2/models/double')
        return { status: 200, body: { name: 'double', ...flavour.metadata, ...takesAndGives } };
      if (path === '/v2/models/double/ready') return flavour.ready(ready);
      const known = /^\/v2\/models\/([^/]+)$/.exec(path)?.[1];
      if (known !== undefined) return flavour.unknownModel(known);
      if (path.includes('/versions/') && flavour.versions === 'not implemented')
        return error(501, 'Model versioning is not supported');
      const model = /^\/v2\/models\/([^/]+)\/(?:versions\/[^/]+\/)?infer$/.exec(path)?.[1];
      if (model === undefined) return error(404, 'not found');
      return model === 'double' ? double(flavour, request) : flavour.unknownModel(model);
    },
  });
}

function double(flavour: Flavour, { headers, body }: MockRequest): MockReply {
  const header = headers[headerLengthName];
  const split = header === undefined ? body.byteLength : Number(header);
  const json = JSON.parse(body.subarray(0, split).toString());
  const [input] = json.inputs;
  if (input?.name !== 'x' || input.datatype !== 'FP32') return error(400, "expected 'x' as FP32");
  const [rows, two] = input.shape;
  if (two !== 2 || input.shape.length !== 2) return error(400, `unexpected shape [${input.shape}]`);
  const binary = input.parameters?.binary_data_size !== undefined;
  const values: number[] = binary
    ? [...new Float32Array(new Uint8Array(body.subarray(split)).buffer)]
    : input.data.flat();
  const doubled = Float32Array.from(values, (value) => 2 * value);
  const output = { name: 'y', datatype: 'FP32', shape: [rows, 2] };
  const head = flavour.response('double', json.id);
  if (json.parameters?.binary_data_output !== true)
    return { status: 200, body: { ...head, outputs: [{ ...output, data: [...doubled] }] } };
  const parameters = { binary_data_size: doubled.byteLength };
  const text = Buffer.from(JSON.stringify({ ...head, outputs: [{ ...output, parameters }] }));
  return {
    status: 200,
    headers: {
      'content-type': 'application/octet-stream',
      [headerLengthName]: String(text.byteLength),
    },
    body: Buffer.concat([text, Buffer.from(doubled.buffer)]),
  };
}
