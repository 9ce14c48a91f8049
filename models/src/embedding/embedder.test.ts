import { err, failure, ok } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import { expect, it } from 'vitest';
import { createResidency } from '../runtime/residency.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { threeWordTokenizer } from '../testing/three-word-tokenizer.ts';
import { openEmbedder } from './embedder.ts';

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

const runtimeOf = (gives: 'last_hidden_state' | 'logits' | 'nothing'): Runtime => ({
  name: 'fake',
  executionProviders: ['cpu'],
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
