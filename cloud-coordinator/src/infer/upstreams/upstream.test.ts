import { openPipeline, type Tensor } from '@skerry/models';
import { createOnnxNativeRuntime, createOpenAiServer } from '@skerry/models/node';
import { createGraphBuilder, encodeModel } from '@skerry/models/onnx';
import { type MockServer, openAiFlavours, startOpenAiMock } from '@skerry/models/testing';
import { err, failure } from '@skerry/shared';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createOpenInferenceUpstream } from '../../adapters/open-inference-upstream.ts';
import { startOpenInferenceMock } from '../../testing/mock-open-inference.ts';
import { upstreamContract } from '../../testing/upstream-contract.ts';
import { createEmbeddedUpstream } from './embedded-upstream.ts';
import { createTextUpstream } from './text-upstream.ts';
import type { Upstream } from './upstream.ts';

const opened = (mock: MockServer, upstream: Upstream) => ({
  upstream,
  set(mode: MockServer['mode']) {
    mock.mode = mode;
  },
});

for (const flavour of ['triton', 'kserve', 'specification'] as const)
  upstreamContract(`Open Inference Protocol, ${flavour}`, async () => {
    const mock = await startOpenInferenceMock(flavour);
    return opened(mock, createOpenInferenceUpstream(flavour, mock.url));
  });

for (const flavour of openAiFlavours)
  upstreamContract(`OpenAI, ${flavour}`, async () => {
    const mock = await startOpenAiMock(flavour);
    return opened(mock, createTextUpstream(createOpenAiServer(flavour, mock.url)));
  });

upstreamContract('embedded', async () => {
  const graph = createGraphBuilder('double');
  const x = graph.input('x', 'FP32', [-1, 2]);
  graph.output(graph.add('Add', [x, x], {}, 'y'), 'FP32', [-1, 2]);
  const stages = [{ name: 'double', inputs: [], outputs: [] }];
  const bytes = new Map([['double', encodeModel(graph.build())]]);
  const pipeline = await openPipeline(stages, bytes, createOnnxNativeRuntime, {});
  if (!pipeline.ok) throw new Error(pipeline.error.message);
  onTestFinished(pipeline.value.close);
  const upstream = createEmbeddedUpstream(async (model, inputs) =>
    model === 'double' ? pipeline.value.run(inputs) : err(failure('model_not_found', model)),
  );
  return { upstream };
});

describe('what travels', () => {
  const x: Tensor = { datatype: 'FP32', shape: [1, 2], data: Float32Array.of(1, 2) };
  const terms = { leftMs: 5_000 };

  it.each([
    ['triton', true],
    ['kserve', false],
  ] as const)(
    'to %s is binary, with what is left of the deadline: %s, as it says of itself; and never a version',
    async (flavour, binary) => {
      const mock = await startOpenInferenceMock(flavour);
      const upstream = createOpenInferenceUpstream(flavour, mock.url);
      await upstream.infer?.({ model: 'double', inputs: { x } }, terms);
      const [sent] = mock.requests;
      expect(sent?.path).toBe('/v2/models/double/infer');
      expect(sent?.body.includes('binary_data_size')).toBe(binary);
      expect(sent?.body.includes('"timeout":5000000')).toBe(binary);
    },
  );

  it('has the key of a server that asks for one', async () => {
    const mock = await startOpenInferenceMock('triton');
    mock.apiKey = 'sesame';
    const withKey = (key?: string) => createOpenInferenceUpstream('them', mock.url, key);
    expect(await withKey('sesame').health(terms)).toMatchObject({ ok: true });
    for (const key of [undefined, 'other'])
      expect(await withKey(key).health(terms)).toMatchObject({
        error: { code: 'unauthenticated' },
      });
    const asked = await withKey('sesame').infer?.({ model: 'double', inputs: { x } }, terms);
    expect(asked).toMatchObject({ ok: true });
  });

  it.each([
    ['triton', ['double'], '2'],
    ['kserve', ['double'], '1'],
    ['specification', undefined, '1'],
  ] as const)('from %s are its models, as it tells them', async (flavour, names, version) => {
    const mock = await startOpenInferenceMock(flavour);
    const upstream = createOpenInferenceUpstream(flavour, mock.url);
    const listed = await upstream.list?.(terms);
    expect(listed?.ok ? listed.value : undefined).toEqual(names);
    expect(await upstream.describe?.('double', terms)).toMatchObject({ value: { version } });
  });
});
