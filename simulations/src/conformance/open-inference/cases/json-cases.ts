// Inference with tensors as JSON, and what must be refused.

import { type Case, expect, same, type Target } from '../case.ts';
import {
  bytesOf,
  differences,
  expectError,
  infer,
  inferPath,
  type JsonTensor,
  readResponse,
  simpleInputs,
  sums,
} from '../messages.ts';

async function simple(target: Target, more: object = {}): Promise<ReturnType<typeof readResponse>> {
  const reply = await infer(target, target.models.simple, { inputs: simpleInputs(), ...more });
  return readResponse(reply);
}

function changed(change: Partial<JsonTensor>, index = 0): JsonTensor[] {
  return simpleInputs().map((input, i) => (i === index ? { ...input, ...change } : input));
}

/** A request that must be refused with 400. */
const refusal = (name: string, source: Case['source'], request: () => unknown): Case => ({
  name,
  source,
  needs: ['simple'],
  async run(target) {
    expectError(await infer(target, target.models.simple, request()), 400);
    await simple(target);
  },
});

const nested = (depth: number): string =>
  JSON.stringify({ inputs: simpleInputs() }).replace(
    '"data":[0,',
    `"data":${'['.repeat(depth)}0${']'.repeat(depth)},"data":[0,`,
  );

/** One element, `depth` lists around it. */
const nestedElement = (depth: number): string =>
  `{"inputs":[{"name":"INPUT0","shape":[1,1],"datatype":"FP32","data":${'['.repeat(depth)}1${']'.repeat(depth)}}]}`;

const huge = 2 ** 60 + 2;

export const jsonCases: readonly Case[] = [
  {
    name: 'infer: sum and difference, names, shapes, datatypes',
    source: 'protocol',
    needs: ['simple'],
    async run(target) {
      const { json, outputs } = await simple(target);
      same('model_name', json['model_name'], target.models.simple);
      for (const [name, data] of [
        ['OUTPUT0', sums],
        ['OUTPUT1', differences],
      ] as const) {
        const output = outputs.get(name);
        same(name, [output?.datatype, output?.shape, output?.data], ['INT32', [1, 16], data]);
      }
    },
  },
  {
    name: 'the id is echoed, and absent where none was sent',
    source: 'protocol',
    needs: ['simple'],
    async run(target) {
      same('id', (await simple(target, { id: 'my-id' })).json['id'], 'my-id');
      const { id } = (await simple(target)).json;
      expect(id === undefined || id === '' || typeof id === 'string', 'id is no text');
    },
  },
  {
    name: 'data nested as the shape is',
    source: 'protocol',
    needs: ['simple'],
    async run(target) {
      const inputs = simpleInputs().map((input) => ({ ...input, data: [input.data] }));
      same('OUTPUT0', (await simple(target, { inputs })).outputs.get('OUTPUT0')?.data, sums);
    },
  },
  {
    name: 'only the outputs that were asked for',
    source: 'protocol',
    needs: ['simple'],
    async run(target) {
      const { outputs } = await simple(target, { outputs: [{ name: 'OUTPUT1' }] });
      same('outputs', [...outputs.keys()], ['OUTPUT1']);
    },
  },
  {
    name: 'unknown parameters are no error',
    source: 'protocol',
    needs: ['simple'],
    async run(target) {
      await simple(target, { parameters: { no_such_parameter: 1, another: 'x', third: true } });
    },
  },
  {
    name: 'BYTES as JSON texts, beyond ASCII',
    source: 'protocol',
    needs: ['identityBytes'],
    async run(target) {
      const data = ['one', '', 'Grüße 🌊'];
      const input = { name: 'INPUT0', shape: [3], datatype: 'BYTES', data };
      const reply = await infer(target, target.models.identityBytes, { inputs: [input] });
      same('data', readResponse(reply).outputs.get('OUTPUT0')?.data, data);
    },
  },
  refusal('too few elements: 400', 'Triton', () => ({
    inputs: changed({ data: [1, 2, 3] }),
  })),
  refusal('too many elements: 400', 'Triton', () => ({
    inputs: changed({ data: Array.from({ length: 17 }, () => 1) }),
  })),
  refusal('a text where a number belongs: 400', 'protocol', () => ({
    inputs: changed({ data: Array.from({ length: 16 }, () => 'x') }),
  })),
  refusal('another datatype than the model has: 400', 'protocol', () => ({
    inputs: changed({ datatype: 'FP32' }),
  })),
  refusal('a datatype that is none: 400', 'protocol', () => ({
    inputs: changed({ datatype: 'FP99' }),
  })),
  refusal('another shape than the model has: 400', 'protocol', () => ({
    inputs: changed({ shape: [1, 8], data: [1, 2, 3, 4, 5, 6, 7, 8] }),
  })),
  refusal('an input missing: 400', 'protocol', () => ({ inputs: simpleInputs().slice(0, 1) })),
  refusal('an input that the model has not: 400', 'protocol', () => ({
    inputs: [...simpleInputs(), { name: 'NO_SUCH', shape: [1], datatype: 'INT32', data: [1] }],
  })),
  refusal('an input without data: 400', 'protocol', () => ({
    inputs: changed({ data: undefined }),
  })),
  refusal('no inputs at all: 400', 'protocol', () => ({})),
  refusal('an output that the model has not: 400', 'protocol', () => ({
    inputs: simpleInputs(),
    outputs: [{ name: 'NO_SUCH' }],
  })),
  refusal('an output asked for twice: 400', 'Triton', () => ({
    inputs: simpleInputs(),
    outputs: [{ name: 'OUTPUT0' }, { name: 'OUTPUT0' }],
  })),
  refusal('no JSON: 400', 'protocol', () => '{"inputs": ['),
  refusal('an empty body: 400', 'protocol', () => ''),
  refusal('a shape whose product overflows, 2⁴ × (2⁶⁰ + 2): 400', 'Triton', () =>
    JSON.stringify({ inputs: changed({ shape: [2 ** 4, huge] }) }),
  ),
  refusal('a shape whose bytes overflow, 2² × (2⁶⁰ + 2): 400', 'Triton', () =>
    JSON.stringify({ inputs: changed({ shape: [2 ** 2, huge] }) }),
  ),
  {
    name: 'a negative dimension: an error',
    source: 'Triton',
    needs: ['simple'],
    async run(target) {
      const inputs = changed({ shape: [-1, -16] });
      expectError(await infer(target, target.models.simple, { inputs }), 400, 500);
      await simple(target);
    },
  },
  {
    name: 'JSON nested 50 deep is read, 120 deep is refused',
    source: 'Triton',
    needs: ['identityFp32'],
    async run(target) {
      const ask = (depth: number) =>
        infer(target, target.models.identityFp32, nestedElement(depth));
      same('data', readResponse(await ask(50)).outputs.get('OUTPUT0')?.data, [1]);
      expectError(await ask(120), 400);
    },
  },
  {
    name: 'JSON nested 250 000 deep: refused, and the server lives',
    source: 'Triton',
    needs: ['simple'],
    async run(target) {
      expectError(await infer(target, target.models.simple, nested(250_000)), 400, 413);
      same('live', (await target.http('/v2/health/live')).status, 200);
      await simple(target);
    },
  },
  {
    name: 'chunked transfer',
    source: 'Triton',
    needs: ['simple'],
    async run(target) {
      const body = Buffer.from(JSON.stringify({ inputs: simpleInputs() }));
      const chunks = [body.subarray(0, 7), body.subarray(7, 100), body.subarray(100)];
      const headers = { 'content-type': 'application/json' };
      const path = inferPath(target.models.simple);
      const reply = await target.http(path, { method: 'POST', headers, body: chunks });
      same('OUTPUT0', readResponse(reply).outputs.get('OUTPUT0')?.data, sums);
    },
  },
  {
    name: 'FP16 as JSON, in or out: 400',
    source: 'KServe',
    needs: ['identityFp16'],
    async run(target) {
      const { identityFp16 } = target.models;
      const input = { name: 'INPUT0', shape: [2], datatype: 'FP16', data: [1, 2] };
      expectError(await infer(target, identityFp16, { inputs: [input] }), 400);
      const half = bytesOf(Uint16Array.of(0x3c00, 0x4000));
      const { data: _, ...rest } = input;
      const inputs = [{ ...rest, parameters: { binary_data_size: 4 } }];
      expectError(await infer(target, identityFp16, { inputs }, { binary: [half] }), 400);
    },
  },
];
