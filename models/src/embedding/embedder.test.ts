import { err, failure, ok } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import { describe, expect, it } from 'vitest';
import { createResidency } from '../runtime/residency.ts';
import type { Runtime, Session } from '../runtime/runtime.ts';
import type { Tensor } from '../tensor.ts';
import { threeWordTokenizer } from '../testing/three-word-tokenizer.ts';
import { openEmbedder } from './embedder.ts';
import { samplesOf } from './token-inputs.ts';

const mebibyte = 2 ** 20;
const sha256 = `sha256:${'0'.repeat(64)}`;
const files = {
  description: {
    schema: 'skerry.embedder/1' as const,
    ...{ name: 'small', license: 'MIT', dimensions: 8, tokensMax: 16 },
    model: { path: 'model.onnx', sha256 },
    tokenizer: { path: 'tokenizer.json', sha256 },
  },
  digest: sha256,
  model: new Uint8Array(mebibyte),
  tokenizer: threeWordTokenizer,
};

const runtimeOf = (
  gives: 'last_hidden_state' | 'logits' | 'nothing',
  executionProviders: Runtime['executionProviders'] = ['cpu'],
): Runtime => ({
  name: 'fake',
  executionProviders,
  async load() {
    if (gives === 'nothing') return err(failure('invalid_bundle', 'no model'));
    const outputs = [{ name: gives, datatype: 'FP32' as const, shape: [1, -1, 8] }];
    const inputs = [{ name: 'input_ids', datatype: 'INT64' as const, shape: [1, -1] }];
    const execution = () => ({ provider: 'cpu' as const, refused: [] });
    return ok({ inputs, outputs, execution, run: async () => ok({}), close: async () => {} });
  },
  close: async () => {},
});

it('[EMB3] takes its place in the memory that models share, until it is closed or where it cannot be opened', async () => {
  const residency = createResidency(12 * mebibyte);
  const open = (gives: Parameters<typeof runtimeOf>[0] = 'last_hidden_state') =>
    openEmbedder(files, runtimeOf(gives), { residency });
  for (const broken of ['logits', 'nothing'] as const)
    expect(await open(broken)).toMatchObject({ error: { code: 'invalid_bundle' } });
  expect(residency.bytes()).toBe(0);
  const [first] = [unwrap(await open()), unwrap(await open())];
  expect(residency.bytes()).toBeGreaterThan(10 * mebibyte);
  expect(await open()).toMatchObject({ error: { code: 'overloaded' } });
  expect(await residency.enter(5 * mebibyte, async () => {})).toMatchObject({ ok: false });
  await first.close();
  expect(residency.bytes()).toBeLessThan(6 * mebibyte);
  expect((await open()).ok).toBe(true);
});

it('[EMB3] takes for a GPU what texts that share a run may be inside of it', async () => {
  const residency = createResidency(64 * mebibyte);
  unwrap(await openEmbedder(files, runtimeOf('last_hidden_state'), { residency }));
  const onCpu = residency.bytes();
  unwrap(await openEmbedder(files, runtimeOf('last_hidden_state', ['webgpu']), { residency }));
  const tokensInRun = 8_192;
  expect(residency.bytes() - 2 * onCpu).toBeGreaterThan((tokensInRun - 16) * 8 * 4);
});

it('[EMB1] a shorter text is filled up with what no network looks at', () => {
  const rows = [
    { ids: [5, 6, 7], types: [0, 0, 1] },
    { ids: [8], types: [1] },
  ];
  const data = Object.entries(samplesOf(rows)).map(([name, { shape, data }]) => [
    name,
    { shape, data: Array.from(data, Number) },
  ]);
  expect(Object.fromEntries(data)).toEqual({
    input_ids: { shape: [2, 3], data: [5, 6, 7, 8, 0, 0] },
    attention_mask: { shape: [2, 3], data: [1, 1, 1, 1, 0, 0] },
    token_type_ids: { shape: [2, 3], data: [0, 0, 1, 1, 0, 0] },
  });
});

describe('texts that share a run [EMB1]', () => {
  /** Hidden states that follow from a token alone, but for `leak`: what a row is off where another is beside it. */
  async function openOn(provider: 'cpu' | 'webgpu', leak = 0, tokensMax = 16) {
    const runs: number[] = [];
    const checked: number[] = [];
    const execution = { provider, refused: [] as const };
    const run: Session['run'] = async (feeds) => {
      const { shape, data } = feeds['input_ids'] as Tensor;
      const [rows = 0, length = 0] = shape;
      runs.push(rows);
      const hidden = new Float32Array(rows * length * 8);
      for (let at = 0; at < hidden.length; at++) {
        const id = Number(data[Math.floor(at / 8)]) + 1;
        hidden[at] = Math.sin(id * ((at % 8) + 1)) + (rows > 1 && at % 8 === 0 ? leak : 0);
      }
      return ok({
        last_hidden_state: { datatype: 'FP32', shape: [rows, length, 8], data: hidden },
      });
    };
    const inputs = [{ name: 'input_ids', datatype: 'INT64' as const, shape: [-1, -1] }];
    const outputs = [{ name: 'last_hidden_state', datatype: 'FP32' as const, shape: [-1, -1, 8] }];
    const session: Session = {
      ...{ inputs, outputs, run },
      execution: () => execution,
      close: async () => {},
    };
    const runtime: Runtime = {
      name: 'fake',
      executionProviders: [provider],
      async load(_, { samples = [] } = {}) {
        checked.push(...samples.map((sample) => sample['input_ids']?.shape[0] ?? 0));
        return ok(session);
      },
      close: async () => {},
    };
    const description = { ...files.description, tokensMax };
    const embedder = unwrap(await openEmbedder({ ...files, description }, runtime));
    runs.length = 0;
    return { embedder, runs, checked, execution };
  }
  const texts = Array.from(
    { length: 40 },
    (_, i) => ['pump', 'red valve', 'pump red valve red'][i % 3] as string,
  );

  it('on a GPU do so by length, and have the vectors that they have alone', async () => {
    const { embedder, runs, checked } = await openOn('webgpu');
    // Two alone, and as many as will be served.
    expect(checked).toEqual([1, 1, 32]);
    const shared = unwrap(await embedder.embed(texts));
    expect(runs).toEqual([32, 8]);
    for (const [i, text] of texts.entries())
      expect(shared.slice(8 * i, 8 * i + 8)).toEqual(unwrap(await embedder.embed([text])));
  });

  it('on a GPU are no more than so many tokens', async () => {
    const { embedder, runs } = await openOn('webgpu', 0, 512);
    const long = 'pump '.repeat(512);
    await embedder.embed([...Array.from({ length: 20 }, () => long), 'pump']);
    expect(runs).toEqual([16, 5]);
  });

  it('on a GPU that was left for the cpu do so no more', async () => {
    const { embedder, runs, execution } = await openOn('webgpu');
    execution.provider = 'cpu';
    await embedder.embed(texts);
    expect(runs).toEqual(texts.map(() => 1));
  });

  it.each([
    ['the cpu computes', 'cpu', 0],
    ['company changes a vector', 'webgpu', 0.01],
  ] as const)('are computed one by one where %s', async (_, provider, leak) => {
    const { embedder, runs } = await openOn(provider, leak);
    await embedder.embed(texts);
    expect(runs).toEqual(texts.map(() => 1));
    expect(embedder.textsInRun()).toBe(1);
  });
});
