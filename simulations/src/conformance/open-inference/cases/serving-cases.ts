// Health, metadata, readiness, statistics and the model repository.

import { type Case, expect, Skipped, same, type Target } from '../case.ts';
import { expectError, infer, parse, readResponse, simpleInputs } from '../messages.ts';

async function getJson({ http }: Target, path: string): Promise<Record<string, unknown>> {
  const reply = await http(path);
  expect(reply.status === 200, `${path}: expected 200, got ${reply.status}`);
  return parse(reply.body);
}

const post = ({ http }: Target, path: string, body: unknown = {}) =>
  http(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify(body)),
  });

interface TensorMetadata {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

const tensorsOf = (listed: unknown): TensorMetadata[] =>
  (listed as TensorMetadata[]).map(({ name, datatype, shape }) => ({ name, datatype, shape }));

async function inferenceCount(target: Target): Promise<number> {
  const reply = await target.http(`/v2/models/${target.models.simple}/stats`);
  if (reply.status === 404 || reply.status === 501) throw new Skipped('no statistics extension');
  const [stats] = parse(reply.body)['model_stats'] as Record<string, unknown>[];
  expect(stats !== undefined, 'model_stats is empty');
  const { name, inference_count, execution_count, inference_stats } = stats;
  same('name', name, target.models.simple);
  expect(Number(execution_count) <= Number(inference_count), 'more executions than inferences');
  for (const key of ['success', 'fail', 'queue', 'compute_infer']) {
    const timed = (inference_stats as Record<string, Record<string, unknown>>)[key];
    expect(
      typeof timed?.['count'] === 'number' && typeof timed['ns'] === 'number',
      `inference_stats.${key} is no {count, ns}`,
    );
  }
  return Number(inference_count);
}

export const servingCases: readonly Case[] = [
  {
    name: 'health: live and ready are 200',
    source: 'protocol',
    async run({ http }) {
      for (const path of ['/v2/health/live', '/v2/health/ready'])
        same(path, (await http(path)).status, 200);
    },
  },
  {
    name: 'server metadata: name, version, extensions with binary_tensor_data',
    source: 'protocol',
    async run(target) {
      const { name, version, extensions } = await getJson(target, '/v2');
      expect(typeof name === 'string' && typeof version === 'string', 'name or version is no text');
      expect(
        Array.isArray(extensions) && extensions.includes('binary_tensor_data'),
        `extensions: ${JSON.stringify(extensions)}`,
      );
      same('/v2/ too', (await target.http('/v2/')).status, 200);
    },
  },
  {
    name: 'model metadata: name, versions, platform, inputs, outputs',
    source: 'protocol',
    needs: ['simple'],
    async run(target) {
      const { simple } = target.models;
      const metadata = await getJson(target, `/v2/models/${simple}`);
      same('name', metadata['name'], simple);
      expect(typeof metadata['platform'] === 'string', 'platform is no text');
      const spec = (name: string) => ({ name, datatype: 'INT32', shape: [1, 16] });
      same('inputs', tensorsOf(metadata['inputs']), [spec('INPUT0'), spec('INPUT1')]);
      same('outputs', tensorsOf(metadata['outputs']), [spec('OUTPUT0'), spec('OUTPUT1')]);
    },
  },
  {
    name: 'model metadata: −1 for a dimension that varies',
    source: 'protocol',
    needs: ['identityFp32'],
    async run(target) {
      const metadata = await getJson(target, `/v2/models/${target.models.identityFp32}`);
      same('inputs', tensorsOf(metadata['inputs']), [
        { name: 'INPUT0', datatype: 'FP32', shape: [-1, -1] },
      ]);
    },
  },
  {
    name: 'a version of a model: metadata, ready, infer; another is unknown',
    source: 'protocol',
    needs: ['simple'],
    async run(target) {
      const { simple } = target.models;
      const { versions = [] } = await getJson(target, `/v2/models/${simple}`);
      const [version] = versions as string[];
      if (version === undefined) throw new Skipped('the model names no versions');
      const path = `/v2/models/${simple}/versions/${version}`;
      const metadata = await target.http(path);
      if (metadata.status === 501) throw new Skipped('no versions in paths');
      same(path, metadata.status, 200);
      same(`${path}/ready`, (await target.http(`${path}/ready`)).status, 200);
      const reply = await infer(target, simple, { inputs: simpleInputs() }, { version });
      same('model_version', readResponse(reply).json['model_version'], version);
      expectError(await target.http(`/v2/models/${simple}/versions/99.99.99`), 404, 400);
    },
  },
  {
    name: 'ready of a model',
    source: 'protocol',
    needs: ['simple'],
    async run(target) {
      const { simple } = target.models;
      same('status', (await target.http(`/v2/models/${simple}/ready`)).status, 200);
    },
  },
  {
    name: 'unknown model: error for metadata, ready and infer',
    source: 'KServe',
    async run(target) {
      const path = '/v2/models/no_such_model';
      const told = expectError(await target.http(path), 404, 400);
      expect(told.includes('no_such_model'), `the error does not name the model: ${told}`);
      expect((await target.http(`${path}/ready`)).status >= 400, 'ready is not refused');
      expectError(await infer(target, 'no_such_model', { inputs: simpleInputs() }), 404, 400);
    },
  },
  {
    name: 'unknown path: 404 or 405',
    source: 'protocol',
    async run({ http }) {
      const { status } = await http('/v2/no/such/path');
      expect(status === 404 || status === 405 || status === 400, `got ${status}`);
    },
  },
  {
    name: 'list of models',
    source: 'KServe',
    needs: ['simple'],
    async run(target) {
      const reply = await target.http('/v2/models');
      if (reply.status !== 200) throw new Skipped('no list of models');
      const { models } = parse(reply.body);
      expect(
        (models as string[]).includes(target.models.simple),
        `models: ${JSON.stringify(models)}`,
      );
    },
  },
  {
    name: 'repository index names the models with their state',
    source: 'Triton',
    needs: ['simple'],
    async run(target) {
      const reply = await post(target, '/v2/repository/index');
      if (reply.status === 404 || reply.status === 501) throw new Skipped('no model repository');
      const index = parse(reply.body) as unknown as Record<string, unknown>[];
      const found = index.find(({ name }) => name === target.models.simple);
      same('state', found?.['state'], 'READY');
    },
  },
  {
    name: 'unload: not ready, infer is refused with 503; load: answers again',
    source: 'KServe',
    needs: ['identityInt64'],
    async run(target) {
      const name = target.models.identityInt64;
      const control = (action: string) => post(target, `/v2/repository/models/${name}/${action}`);
      const unloaded = await control('unload');
      if ([403, 404, 405, 501].includes(unloaded.status)) throw new Skipped('models are fixed');
      same('unload', unloaded.status, 200);
      const ask = () =>
        infer(target, name, {
          inputs: [{ name: 'INPUT0', shape: [1], datatype: 'INT64', data: [7] }],
        });
      try {
        expect((await target.http(`/v2/models/${name}/ready`)).status >= 400, 'still ready');
        expectError(await ask(), 503);
      } finally {
        same('load', (await control('load')).status, 200);
      }
      same('ready', (await target.http(`/v2/models/${name}/ready`)).status, 200);
      same('data', readResponse(await ask()).outputs.get('OUTPUT0')?.data, [7]);
      expectError(await post(target, '/v2/repository/models/no_such_model/load'), 400, 404);
    },
  },
  {
    name: 'statistics count inferences',
    source: 'Triton',
    needs: ['simple'],
    async run(target) {
      const before = await inferenceCount(target);
      readResponse(await infer(target, target.models.simple, { inputs: simpleInputs() }));
      same('inference_count', await inferenceCount(target), before + 1);
      const all = await getJson(target, '/v2/models/stats');
      expect(Array.isArray(all['model_stats']), 'no model_stats of all models');
    },
  },
  {
    name: 'queue full: 503 at once for some, an answer for the others',
    source: 'Triton',
    needs: ['slow'],
    async run(target) {
      const input = { name: 'INPUT0', shape: [1], datatype: 'FP32', data: [1] };
      const ask = () => infer(target, target.models.slow, { inputs: [input] });
      const replies = await Promise.all(Array.from({ length: 10 }, ask));
      const refused = replies.filter(({ status }) => status !== 200);
      expect(refused.length > 0, 'a queue of two took ten');
      for (const reply of refused) expectError(reply, 503);
      expect(refused.length < replies.length, 'nobody was answered');
      for (const reply of replies) if (reply.status === 200) readResponse(reply);
    },
  },
];
