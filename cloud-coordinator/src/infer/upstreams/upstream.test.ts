import { openPipeline, type Tensor } from '@skerry/models';
import { createOnnxNativeRuntime } from '@skerry/models/node';
import { createGraphBuilder, encodeModel } from '@skerry/models/onnx';
import { err, failure } from '@skerry/shared';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createOpenInferenceUpstream } from '../../adapters/open-inference-upstream.ts';
import { createOpenAiUpstream } from '../../adapters/openai-upstream.ts';
import { startOpenInferenceMock } from '../../testing/mock-open-inference.ts';
import { startOpenAiMock } from '../../testing/mock-openai.ts';
import type { MockServer } from '../../testing/mock-server.ts';
import { upstreamContract } from '../../testing/upstream-contract.ts';
import { createEmbeddedUpstream } from './embedded-upstream.ts';
import { createPrecomputedUpstream } from './precomputed-upstream.ts';
import { textOf, upstreamFailure } from './upstream-error.ts';

const opened = (mock: MockServer, upstream: ReturnType<typeof createOpenAiUpstream>) => ({
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

for (const flavour of ['vllm', 'triton-openai'] as const)
  upstreamContract(`OpenAI, ${flavour}`, async () => {
    const mock = await startOpenAiMock(flavour);
    return opened(mock, createOpenAiUpstream(flavour, mock.url));
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

upstreamContract('pre-computed', async () => {
  const answers = [{ question: 'What is a skerry?', answer: 'what is a skerry' }];
  const upstream = createPrecomputedUpstream('answers', Buffer.from(JSON.stringify({ answers })));
  if (!upstream.ok) throw new Error(upstream.error.message);
  return { upstream: upstream.value };
});

describe('what travels', () => {
  const x: Tensor = { datatype: 'FP32', shape: [1, 2], data: Float32Array.of(1, 2) };
  const terms = { leftMs: 5_000 };

  it.each([
    ['triton', true],
    ['kserve', false],
  ] as const)(
    'to %s is binary: %s, as it says of itself; and never a version',
    async (flavour, binary) => {
      const mock = await startOpenInferenceMock(flavour);
      const upstream = createOpenInferenceUpstream(flavour, mock.url);
      await upstream.infer?.({ model: 'double', inputs: { x } }, terms);
      const [sent] = mock.requests;
      expect(sent?.path).toBe('/v2/models/double/infer');
      expect(sent?.body.includes('binary_data_size')).toBe(binary);
    },
  );

  it.each([
    [
      'the Open Inference Protocol',
      createOpenInferenceUpstream,
      () => startOpenInferenceMock('triton'),
    ],
    ['OpenAI’s API', createOpenAiUpstream, () => startOpenAiMock('vllm')],
  ] as const)('by %s has the key of a server that asks for one', async (_, create, start) => {
    const mock = await start();
    mock.apiKey = 'sesame';
    expect(await create('them', mock.url, 'sesame').health(terms)).toMatchObject({ ok: true });
    for (const key of [undefined, 'other'])
      expect(await create('them', mock.url, key).health(terms)).toMatchObject({
        error: { code: 'unauthenticated' },
      });
    const asked = await create('them', mock.url, 'sesame').infer?.(
      { model: 'double', inputs: { x } },
      terms,
    );
    if (asked !== undefined) expect(asked).toMatchObject({ ok: true });
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

  it('to OpenAI’s API is nothing of one server alone, and the temperature is said', async () => {
    const mock = await startOpenAiMock('triton-openai');
    const upstream = createOpenAiUpstream('triton', mock.url);
    const messages = [{ role: 'user' as const, content: 'a' }];
    await upstream.chat?.({ model: 'echo', messages, tokensMax: 5 }, terms);
    expect(JSON.parse(mock.requests[0]?.body.toString() ?? '')).toEqual({
      model: 'echo',
      messages,
      temperature: 0,
      max_tokens: 5,
      logprobs: true,
    });
  });

  it('of a stream that ends too early is no answer', async () => {
    const mock = await startOpenAiMock('vllm');
    const upstream = createOpenAiUpstream('vllm', mock.url);
    const messages = [{ role: 'user' as const, content: 'cut here' }];
    const reply = await upstream.chat?.({ model: 'echo', messages, onDelta: () => {} }, terms);
    expect(reply).toMatchObject({ error: { code: 'unavailable' } });
  });
});

describe('an error of another server', () => {
  const bytes = (body: unknown) =>
    Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));

  it.each<[string, unknown, string]>([
    ['the Open Inference Protocol', { error: 'queue full' }, 'queue full'],
    ['OpenAI and vLLM', { error: { message: 'queue full', type: 'x', code: 1 } }, 'queue full'],
    ['FastAPI', { detail: 'queue full' }, 'queue full'],
    [
      'FastAPI, of a field',
      { detail: [{ loc: ['body', 'n'], msg: 'not permitted' }] },
      'body.n: not permitted',
    ],
    ['a proxy', '<html>502</html>', '<html>502</html>'],
  ])('is read in the shape of %s', (_, body, text) => expect(textOf(bytes(body))).toBe(text));

  it.each<[number, unknown, string, boolean]>([
    [400, { error: 'bad shape' }, 'invalid_argument', false],
    [400, { error: "Request for unknown model: 'm' is not found" }, 'model_not_found', false],
    [404, { error: 'no' }, 'model_not_found', false],
    [422, { detail: 'no' }, 'invalid_argument', false],
    [429, {}, 'overloaded', true],
    [500, {}, 'runtime_failed', true],
    [502, '', 'unavailable', true],
    [503, {}, 'overloaded', true],
    [504, {}, 'deadline_exceeded', true],
  ])('%s %j is %s', (status, body, code, retryable) => {
    expect(upstreamFailure('them', status, bytes(body))).toMatchObject({ code, retryable });
  });

  it('says when to come back', () => {
    expect(upstreamFailure('them', 429, bytes({}), '2')).toMatchObject({ retryAfterMs: 2_000 });
  });
});
