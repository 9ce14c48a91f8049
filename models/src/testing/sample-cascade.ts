// Two independent classifiers, as somebody else would have made them: of 2×2 and of 4×4 pixels in −1…1, two classes, a
// softmax at the end. Each class's logit is `gain` times the mean of its channel, so that a test knows every answer.

import { join } from 'node:path';
import { importBundle } from '../import/import-bundle.ts';
import { createGraphBuilder, encodeModel, type ModelProto } from '../onnx/index.ts';
import { createOnnxDirectRuntime } from '../runtime/onnx-direct.ts';
import type { TensorSpec } from '../tensor.ts';
import { writeBundle } from '../training/write-bundle.ts';

export function sampleClassifier(
  side: number,
  gain: number,
  layout: 'NCHW' | 'NHWC' = 'NCHW',
): { model: ModelProto; input: TensorSpec } {
  const graph = createGraphBuilder(`classifier-${side}`);
  const shape = layout === 'NCHW' ? [-1, 3, side, side] : [-1, side, side, 3];
  const pixels = graph.input('pixels', 'FP32', shape);
  const first =
    layout === 'NCHW' ? pixels : graph.add('Transpose', [pixels], { perm: [0, 3, 1, 2] });
  const means = graph.add('Flatten', [graph.add('GlobalAveragePool', [first])], { axis: 1 });
  const weights = graph.constant({
    datatype: 'FP32',
    shape: [3, 2],
    data: Float32Array.of(gain, 0, 0, gain, 0, 0),
  });
  const logits = graph.add('MatMul', [means, weights]);
  graph.output(graph.add('Softmax', [logits], { axis: 1 }, 'probabilities'), 'FP32', [-1, 2]);
  return { model: graph.build(), input: { name: 'pixels', datatype: 'FP32', shape } };
}

/** Writes the cascade into `folder`, one model a side, four times as sure as the one before; the last in the cloud. */
export async function writeSampleCascade(
  folder: string,
  cloud = true,
  sides: readonly number[] = [2, 4],
): Promise<void> {
  const runtime = createOnnxDirectRuntime();
  const sampled = sides.map((side, i) => sampleClassifier(side, 2 * 4 ** i));
  const models = sampled.map((made, i) => {
    return { ...made, name: `${i}.onnx`, bytes: encodeModel(made.model) };
  });
  const options = {
    name: 'cascade',
    labels: ['red', 'green'],
    mean: [127.5],
    scale: [1 / 127.5],
    cloud,
    licence: 'Apache-2.0',
    recipe: join('models', 'src', 'testing', 'sample-cascade.ts'),
  };
  const bundle = await importBundle(models, options, runtime);
  await runtime.close();
  if (!bundle.ok) throw new Error(bundle.error.message);
  await writeBundle(folder, bundle.value);
}
