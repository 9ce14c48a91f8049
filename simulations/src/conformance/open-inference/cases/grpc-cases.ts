// The same over gRPC: GRPCInferenceService.

import { type Case, expect, Skipped, same, type Target } from '../case.ts';
import type { GrpcClient, GrpcReply } from '../grpc.ts';
import { bytesElements, differences, float32, int32, simpleBinary, sums } from '../messages.ts';

type Plain = GrpcReply['message'];

function grpcOf({ grpc }: Target): GrpcClient {
  if (grpc === undefined) throw new Skipped('no gRPC address was given');
  return grpc;
}

const sixteen = Array.from({ length: 16 }, (_, i) => i);
const ones = sixteen.map(() => 1);
const tensor = (name: string, contents?: Plain): Plain => ({
  name,
  datatype: 'INT32',
  shape: [1, 16],
  ...(contents === undefined ? {} : { contents }),
});
const typed = (): Plain => ({
  inputs: [tensor('INPUT0', { intContents: sixteen }), tensor('INPUT1', { intContents: ones })],
});
const raw = (): Plain => ({
  inputs: [tensor('INPUT0'), tensor('INPUT1')],
  rawInputContents: simpleBinary(),
});

const infer = (target: Target, request: Plain): Promise<GrpcReply> =>
  grpcOf(target).call('ModelInfer', { modelName: target.models.simple, ...request });

interface InferReply {
  readonly modelName: string;
  readonly id: string;
  readonly outputs: readonly {
    readonly name: string;
    readonly contents?: Record<string, readonly unknown[]>;
  }[];
  readonly rawOutputContents: readonly Buffer[];
}

function read({ status, details, message }: GrpcReply): InferReply {
  expect(status === 'OK', `expected OK, got ${status} ${details}`);
  return message as unknown as InferReply;
}

function refused({ status, details }: GrpcReply, ...statuses: readonly string[]): void {
  expect(statuses.includes(status), `expected ${statuses.join(' or ')}, got ${status} ${details}`);
}

const refusal = (name: string, request: () => Plain): Case => ({
  name: `gRPC: ${name}: INVALID_ARGUMENT`,
  source: 'gRPC',
  needs: ['simple'],
  async run(target) {
    refused(await infer(target, request()), 'INVALID_ARGUMENT');
    read(await infer(target, typed()));
  },
});

const slowRequest = ({ models }: Target): Plain => ({
  modelName: models.slow,
  inputs: [{ name: 'INPUT0', datatype: 'FP32', shape: [1], contents: { fp32Contents: [1] } }],
});

export const grpcCases: readonly Case[] = [
  {
    name: 'gRPC: ServerLive, ServerReady, ModelReady',
    source: 'gRPC',
    needs: ['simple'],
    async run(target) {
      const grpc = grpcOf(target);
      same('live', (await grpc.call('ServerLive', {})).message, { live: true });
      same('ready', (await grpc.call('ServerReady', {})).message, { ready: true });
      const { message } = await grpc.call('ModelReady', { name: target.models.simple });
      same('model', message, { ready: true });
    },
  },
  {
    name: 'gRPC: ServerMetadata, ModelMetadata',
    source: 'gRPC',
    needs: ['simple'],
    async run(target) {
      const server = (await grpcOf(target).call('ServerMetadata', {})).message;
      expect(typeof server['name'] === 'string' && server['name'] !== '', 'the server has no name');
      const { simple } = target.models;
      const { message } = await grpcOf(target).call('ModelMetadata', { name: simple });
      same('name', message['name'], simple);
      const [first] = message['inputs'] as { name: string; datatype: string; shape: bigint[] }[];
      same('INPUT0', first?.name, 'INPUT0');
      same('INPUT0', [first?.datatype, first?.shape.map(Number)], ['INT32', [1, 16]]);
    },
  },
  {
    name: 'gRPC: typed contents in, sum and difference out; the id is echoed',
    source: 'gRPC',
    needs: ['simple'],
    async run(target) {
      const reply = read(await infer(target, { ...typed(), id: 'mine' }));
      const { modelName, id, outputs, rawOutputContents } = reply;
      same('model_name', modelName, target.models.simple);
      same('id', id, 'mine');
      const [sum, difference] = outputs;
      same('outputs', [sum?.name, difference?.name], ['OUTPUT0', 'OUTPUT1']);
      // A server may answer raw whatever it was asked.
      const [rawSum] = rawOutputContents;
      if (rawSum !== undefined) return same('raw', [...rawSum], [...int32(...sums)]);
      same('OUTPUT0', sum?.contents?.['intContents'], sums);
      same('OUTPUT1', difference?.contents?.['intContents'], differences);
    },
  },
  {
    name: 'gRPC: raw contents in, raw contents out and no typed ones',
    source: 'gRPC',
    needs: ['simple'],
    async run(target) {
      const { outputs, rawOutputContents } = read(await infer(target, raw()));
      const given = rawOutputContents.map((bytes) => [...bytes]);
      same('raw', given, [[...int32(...sums)], [...int32(...differences)]]);
      expect(
        outputs.every(({ contents }) => contents === undefined),
        'typed contents beside raw ones',
      );
    },
  },
  {
    name: 'gRPC: only the outputs that were asked for',
    source: 'gRPC',
    needs: ['simple'],
    async run(target) {
      const reply = await infer(target, { ...typed(), outputs: [{ name: 'OUTPUT1' }] });
      const names = read(reply).outputs.map((output) => output.name);
      same('outputs', names, ['OUTPUT1']);
    },
  },
  {
    name: 'gRPC: BYTES typed and raw',
    source: 'gRPC',
    needs: ['identityBytes'],
    async run(target) {
      const modelName = target.models.identityBytes;
      const texts = ['one', '', 'Grüße'];
      const input = { name: 'INPUT0', datatype: 'BYTES', shape: [3] };
      const contents = { bytesContents: texts.map((text) => Buffer.from(text)) };
      const inTyped = read(await infer(target, { modelName, inputs: [{ ...input, contents }] }));
      const rawInputContents = [bytesElements(...texts)];
      const inRaw = read(await infer(target, { modelName, inputs: [input], rawInputContents }));
      if (inTyped.rawOutputContents.length === 0) {
        const given = inTyped.outputs[0]?.contents?.['bytesContents'] as readonly Buffer[];
        const read = given.map((element) => element.toString());
        same('typed', read, texts);
      }
      same('raw', [...(inRaw.rawOutputContents[0] ?? [])], [...bytesElements(...texts)]);
    },
  },
  {
    name: 'gRPC: FP16 is raw alone',
    source: 'gRPC',
    needs: ['identityFp16'],
    async run(target) {
      const modelName = target.models.identityFp16;
      const input = { name: 'INPUT0', datatype: 'FP16', shape: [2] };
      const half = Buffer.from([0x00, 0x3c, 0x00, 0x40]);
      const request = { modelName, inputs: [input], rawInputContents: [half] };
      const { rawOutputContents } = read(await infer(target, request));
      same('raw', [...(rawOutputContents[0] ?? [])], [...half]);
      const inputs = [{ ...input, contents: { fp32Contents: [1, 2] } }];
      refused(await infer(target, { modelName, inputs }), 'INVALID_ARGUMENT');
    },
  },
  refusal('contents beside raw_input_contents', () => ({
    ...typed(),
    rawInputContents: simpleBinary(),
  })),
  refusal('fewer raw_input_contents than inputs', () => ({
    ...raw(),
    rawInputContents: simpleBinary().slice(1),
  })),
  refusal('raw contents of another size', () => ({
    ...raw(),
    rawInputContents: [float32(1), float32(1)],
  })),
  refusal('contents of another datatype', () => ({
    inputs: [tensor('INPUT0', { fp32Contents: sixteen }), tensor('INPUT1', { intContents: ones })],
  })),
  refusal('too few elements', () => ({
    inputs: [tensor('INPUT0', { intContents: [1] }), tensor('INPUT1', { intContents: ones })],
  })),
  refusal('an output twice', () => ({
    ...typed(),
    outputs: [{ name: 'OUTPUT0' }, { name: 'OUTPUT0' }],
  })),
  refusal('an input missing', () => ({ inputs: [tensor('INPUT0', { intContents: sixteen })] })),
  {
    name: 'gRPC: unknown model: NOT_FOUND',
    source: 'gRPC',
    async run(target) {
      const name = 'no_such_model';
      const statuses = ['NOT_FOUND', 'INVALID_ARGUMENT'];
      refused(await infer(target, { ...typed(), modelName: name }), ...statuses);
      refused(await grpcOf(target).call('ModelMetadata', { name }), ...statuses);
    },
  },
  {
    name: 'gRPC: a deadline that passes: DEADLINE_EXCEEDED',
    source: 'gRPC',
    needs: ['slow'],
    async run(target) {
      const reply = await grpcOf(target).call('ModelInfer', slowRequest(target), 10);
      refused(reply, 'DEADLINE_EXCEEDED');
    },
  },
  {
    name: 'gRPC: a queue that is full: UNAVAILABLE for some, an answer for the others',
    source: 'gRPC',
    needs: ['slow'],
    async run(target) {
      const ask = () => grpcOf(target).call('ModelInfer', slowRequest(target));
      const replies = await Promise.all(Array.from({ length: 10 }, ask));
      const answered = replies.filter(({ status }) => status === 'OK');
      expect(answered.length > 0, 'nobody was answered');
      expect(answered.length < replies.length, 'a queue of two took ten');
      for (const reply of replies) refused(reply, 'OK', 'UNAVAILABLE', 'RESOURCE_EXHAUSTED');
    },
  },
  {
    name: 'gRPC: a call that is cancelled: CANCELLED, and the server lives',
    source: 'gRPC',
    needs: ['slow'],
    async run(target) {
      refused(await grpcOf(target).cancelled('ModelInfer', slowRequest(target)), 'CANCELLED');
      same('live', (await grpcOf(target).call('ServerLive', {})).message, { live: true });
    },
  },
  {
    name: 'gRPC: RepositoryModelUnload and RepositoryModelLoad',
    source: 'gRPC',
    needs: ['identityInt64'],
    async run(target) {
      const grpc = grpcOf(target);
      const name = target.models.identityInt64;
      const unloaded = await grpc.call('RepositoryModelUnload', { first: name });
      if (unloaded.status === 'UNIMPLEMENTED' || unloaded.status === 'PERMISSION_DENIED')
        throw new Skipped('models are fixed');
      same('unload', unloaded.status, 'OK');
      const isReady = async () => (await grpc.call('ModelReady', { name })).message['ready'];
      try {
        expect((await isReady()) !== true, 'still ready');
      } finally {
        same('load', (await grpc.call('RepositoryModelLoad', { second: name })).status, 'OK');
      }
      same('ready', await isReady(), true);
    },
  },
];
