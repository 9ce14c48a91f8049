// The binary tensor data extension, raw requests, and compressed bodies.

import { gunzipSync, gzipSync } from 'node:zlib';
import { type Case, expect, Skipped, same, type Target } from '../case.ts';
import {
  binaryInput,
  bytesElements,
  bytesOf,
  differences,
  expectError,
  float32,
  headerLengthName,
  infer,
  inferPath,
  int32,
  parse,
  type ReadResponse,
  readResponse,
  simpleBinary,
  simpleInputs,
  sums,
} from '../messages.ts';

const binaryInputs = () => [
  binaryInput('INPUT0', [1, 16], 'INT32', 64),
  binaryInput('INPUT1', [1, 16], 'INT32', 64),
];

const simple = async (target: Target, request: object): Promise<ReadResponse> =>
  readResponse(
    await infer(
      target,
      target.models.simple,
      { inputs: binaryInputs(), ...request },
      { binary: simpleBinary() },
    ),
  );

/** Triton QA: an output's own `binary_data` wins over the request's `binary_data_output`; JSON is the default. */
function precedence(all: boolean | undefined, own: boolean | undefined, binary: boolean): Case {
  return {
    name: `binary_data ${own ?? 'omitted'} under binary_data_output ${all ?? 'omitted'}: ${binary ? 'binary' : 'JSON'}`,
    source: 'binary',
    needs: ['simple'],
    async run(target) {
      const { outputs } = await simple(target, {
        ...(all === undefined ? {} : { parameters: { binary_data_output: all } }),
        outputs: [
          { name: 'OUTPUT0', ...(own === undefined ? {} : { parameters: { binary_data: own } }) },
          { name: 'OUTPUT1', parameters: { binary_data: false } },
        ],
      });
      const output = outputs.get('OUTPUT0');
      if (binary) same('bytes', [...(output?.bytes ?? [])], [...int32(...sums)]);
      else same('data', output?.data, sums);
      same('OUTPUT1', outputs.get('OUTPUT1')?.data, differences);
    },
  };
}

const raw = (target: Target, model: string, body: Uint8Array) =>
  target.http(inferPath(model), {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream', [headerLengthName]: '0' },
    body,
  });

const rawFloats = (count: number): Case => ({
  name: `raw request: ${count} floats`,
  source: 'binary',
  needs: ['identityFp32'],
  async run(target) {
    const body = float32(...Array.from({ length: count }, (_, i) => i / 2));
    const { outputs } = readResponse(await raw(target, target.models.identityFp32, body));
    const output = outputs.get('OUTPUT0');
    same('shape', output?.shape, [1, count]);
    same('bytes', [...(output?.bytes ?? [])], [...body]);
  },
});

export const binaryCases: readonly Case[] = [
  precedence(undefined, undefined, false),
  precedence(undefined, true, true),
  precedence(true, undefined, true),
  precedence(true, false, false),
  precedence(false, true, true),
  {
    name: 'all outputs binary, in the order of the response; the header’s length is exact',
    source: 'KServe',
    needs: ['simple'],
    async run(target) {
      const request = { inputs: binaryInputs(), parameters: { binary_data_output: true } };
      const reply = await infer(target, target.models.simple, request, { binary: simpleBinary() });
      const length = Number(reply.headers[headerLengthName]);
      parse(reply.body.subarray(0, length));
      same('body', reply.body.byteLength, length + 128);
      const { outputs } = readResponse(reply);
      same('OUTPUT0', [...(outputs.get('OUTPUT0')?.bytes ?? [])], [...int32(...sums)]);
      same('OUTPUT1', [...(outputs.get('OUTPUT1')?.bytes ?? [])], [...int32(...differences)]);
    },
  },
  {
    name: 'one input binary, one JSON',
    source: 'binary',
    needs: ['simple'],
    async run(target) {
      const inputs = [simpleInputs()[0], binaryInputs()[1]];
      const binary = simpleBinary().slice(1);
      const reply = await infer(target, target.models.simple, { inputs }, { binary });
      same('OUTPUT0', readResponse(reply).outputs.get('OUTPUT0')?.data, sums);
    },
  },
  {
    name: 'BYTES binary, each behind its length',
    source: 'binary',
    needs: ['identityBytes'],
    async run(target) {
      const body = bytesElements('one', '', 'Grüße');
      const request = {
        inputs: [binaryInput('INPUT0', [3], 'BYTES', body.byteLength)],
        parameters: { binary_data_output: true },
      };
      const reply = await infer(target, target.models.identityBytes, request, { binary: [body] });
      same('bytes', [...(readResponse(reply).outputs.get('OUTPUT0')?.bytes ?? [])], [...body]);
    },
  },
  {
    name: 'FP16 binary',
    source: 'KServe',
    needs: ['identityFp16'],
    async run(target) {
      const half = bytesOf(Uint16Array.of(0x3c00, 0xc000, 0x7bff));
      const request = {
        inputs: [binaryInput('INPUT0', [3], 'FP16', 6)],
        parameters: { binary_data_output: true },
      };
      const reply = await infer(target, target.models.identityFp16, request, { binary: [half] });
      same('bytes', [...(readResponse(reply).outputs.get('OUTPUT0')?.bytes ?? [])], [...half]);
    },
  },
  {
    name: 'INT64 binary, beyond what a double holds',
    source: 'binary',
    needs: ['identityInt64'],
    async run(target) {
      const wide = bytesOf(BigInt64Array.of(2n ** 62n + 1n, -(2n ** 63n)));
      const request = {
        inputs: [binaryInput('INPUT0', [2], 'INT64', 16)],
        parameters: { binary_data_output: true },
      };
      const reply = await infer(target, target.models.identityInt64, request, { binary: [wide] });
      same('bytes', [...(readResponse(reply).outputs.get('OUTPUT0')?.bytes ?? [])], [...wide]);
    },
  },
  {
    name: 'binary_data_size that is not the tensor’s, or not the body’s: 400',
    source: 'binary',
    needs: ['simple'],
    async run(target) {
      for (const size of [60, 68, 1_000, -1]) {
        const inputs = [binaryInput('INPUT0', [1, 16], 'INT32', size), binaryInputs()[1]];
        const binary = simpleBinary();
        expectError(await infer(target, target.models.simple, { inputs }, { binary }), 400);
      }
    },
  },
  {
    name: 'bytes behind the last tensor: 400',
    source: 'binary',
    needs: ['simple'],
    async run(target) {
      const binary = [...simpleBinary(), Buffer.alloc(4)];
      expectError(
        await infer(target, target.models.simple, { inputs: binaryInputs() }, { binary }),
        400,
      );
    },
  },
  {
    name: 'data beside binary_data_size: 400',
    source: 'binary',
    needs: ['simple'],
    async run(target) {
      const inputs = binaryInputs().map((input) => ({ ...input, data: [1] }));
      const binary = simpleBinary();
      expectError(await infer(target, target.models.simple, { inputs }, { binary }), 400);
    },
  },
  {
    name: 'Inference-Header-Content-Length 99999999999: 400, and the server lives',
    source: 'Triton',
    needs: ['simple'],
    async run(target) {
      for (const length of ['99999999999', '-1', 'x', '18446744073709551616']) {
        const headers = { [headerLengthName]: length };
        const request = { inputs: simpleInputs() };
        expectError(await infer(target, target.models.simple, request, { headers }), 400);
      }
      same('live', (await target.http('/v2/health/live')).status, 200);
    },
  },
  rawFloats(8),
  rawFloats(32),
  {
    name: 'raw request: BYTES "427" comes back behind its length',
    source: 'binary',
    needs: ['identityBytes'],
    async run(target) {
      const reply = await raw(target, target.models.identityBytes, Buffer.from('427'));
      const output = readResponse(reply).outputs.get('OUTPUT0');
      same('shape', output?.shape, [1]);
      same('bytes', [...(output?.bytes ?? [])], [3, 0, 0, 0, ...Buffer.from('427')]);
    },
  },
  {
    name: 'raw request to a model with two inputs: 400',
    source: 'binary',
    needs: ['simple'],
    async run(target) {
      expectError(await raw(target, target.models.simple, int32(...sums)), 400);
    },
  },
  {
    name: 'raw request where two dimensions vary: 400',
    source: 'binary',
    needs: ['identityFp32Wide'],
    async run(target) {
      expectError(await raw(target, target.models.identityFp32Wide, float32(1, 2, 3, 4)), 400);
    },
  },
  {
    name: 'raw request that fills no element: 400',
    source: 'binary',
    needs: ['identityFp32'],
    async run(target) {
      expectError(await raw(target, target.models.identityFp32, Buffer.alloc(6)), 400);
    },
  },
  {
    name: 'Content-Encoding gzip of a request; Accept-Encoding gzip of a response',
    source: 'Triton',
    needs: ['identityFp32'],
    async run(target) {
      const values = Array.from({ length: 2_000 }, () => 1);
      const input = { name: 'INPUT0', shape: [1, 2_000], datatype: 'FP32', data: values };
      const reply = await target.http(inferPath(target.models.identityFp32), {
        method: 'POST',
        headers: { 'content-encoding': 'gzip', 'accept-encoding': 'gzip' },
        body: gzipSync(JSON.stringify({ inputs: [input] })),
      });
      if (reply.status === 415 || reply.status === 501) throw new Skipped('no Content-Encoding');
      const body =
        reply.headers['content-encoding'] === 'gzip' ? gunzipSync(reply.body) : reply.body;
      same('data', readResponse({ ...reply, body }).outputs.get('OUTPUT0')?.data, values);
      expect(reply.headers['content-encoding'] === 'gzip', 'the response is not compressed');
    },
  },
];
