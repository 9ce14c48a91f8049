import { unwrap } from '@skerry/shared/testing';
import { expect, it, onTestFinished } from 'vitest';
import { createGraphBuilder, encodeModel } from '../onnx/index.ts';
import { createOnnxDirectRuntime } from '../runtime/onnx-direct.ts';
import { threeWordTokenizer } from '../testing/three-word-tokenizer.ts';
import { openCrossEncoder } from './cross-encoder.ts';

/** Its logit is the sum of the second text's tokens. */
function sumOfSecond(outputs: number): Uint8Array {
  const graph = createGraphBuilder('sum');
  const ids = graph.input('input_ids', 'INT64', [1, -1]);
  const types = graph.input('token_type_ids', 'INT64', [1, -1]);
  const mask = graph.input('attention_mask', 'INT64', [1, -1]);
  const second = graph.add('Mul', [graph.add('Mul', [ids, types]), mask]);
  const axes = graph.constant({ datatype: 'INT64', shape: [1], data: BigInt64Array.of(1n) });
  const sum = graph.add('ReduceSum', [graph.add('Cast', [second], { to: 1 }), axes]);
  const logits = graph.add('Concat', Array(outputs).fill(sum), { axis: 1 }, 'logits');
  graph.output(logits, 'FP32', [1, outputs]);
  return encodeModel(graph.build());
}

const open = (tokensMax: number, outputs = 1) =>
  openCrossEncoder(
    {
      description: {
        schema: 'skerry.cross-encoder/1',
        name: 'sum',
        license: 'Apache-2.0',
        model: { path: 'model.onnx', sha256: `sha256:${'0'.repeat(64)}` },
        tokenizer: { path: 'tokenizer.json', sha256: `sha256:${'0'.repeat(64)}` },
        tokensMax,
      },
      digest: `sha256:${'0'.repeat(64)}`,
      model: sumOfSecond(outputs),
      tokenizer: threeWordTokenizer,
    },
    createOnnxDirectRuntime(),
  );

it('reads question and text together, as two', async () => {
  const encoder = unwrap(await open(16));
  onTestFinished(() => encoder.close());
  expect(unwrap(await encoder.score('pump', 'Red valve'))).toBe(5_401);
  expect(unwrap(await encoder.score('red valve', 'pump'))).toBe(31);
});

it('leaves out what is longer than it reads, of the text first', async () => {
  const encoder = unwrap(await open(8));
  onTestFinished(() => encoder.close());
  // [CLS] pump [SEP] and four words, [SEP].
  expect(unwrap(await encoder.score('pump', 'red red red red valve valve'))).toBe(20_001);
});

it('is refused where it does not give one logit', async () => {
  expect(await open(16, 2)).toMatchObject({ error: { code: 'invalid_bundle' } });
});
