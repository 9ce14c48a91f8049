import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defined } from '@skerry/shared';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { runStages } from '../bundle/run-stages.ts';
import { readBundle } from '../node/read-bundle.ts';
import { encodeModel, type ModelProto } from '../onnx/index.ts';
import { createOnnxDirectRuntime } from '../runtime/onnx-direct.ts';
import { openPipeline } from '../runtime/pipeline.ts';
import type { Tensor, TensorSpec } from '../tensor.ts';
import { sampleClassifier, writeSampleCascade } from '../testing/sample-cascade.ts';
import { type ImportOptions, importBundle } from './import-bundle.ts';
import { wrapClassifier } from './wrap-classifier.ts';

const runtime = createOnnxDirectRuntime();
afterAll(() => runtime.close());

/** 4×4, each channel one grey: red, green, blue. */
function image(...[red = 0, green = 0, blue = 0]: number[]): Tensor {
  const data = new Uint8Array(48);
  for (const [channel, value] of [red, green, blue].entries())
    data.fill(value, channel * 16, (channel + 1) * 16);
  return { datatype: 'UINT8', shape: [1, 3, 4, 4], data };
}

const options: ImportOptions = {
  name: 'test',
  labels: ['red', 'green'],
  mean: [127.5],
  scale: [1 / 127.5],
  cloud: false,
  licence: 'MIT',
  recipe: 'test',
};
const imported = ({ model, input }: { model: ModelProto; input: TensorSpec }) => ({
  ...{ model, input, name: 'a.onnx' },
  bytes: encodeModel(model),
});

describe('an imported model', () => {
  it.each(['NCHW', 'NHWC'] as const)(
    'takes pixels, %s, and gives what the softmax was of',
    async (layout) => {
      const bundle = await importBundle(
        [imported(sampleClassifier(4, 8, layout))],
        options,
        runtime,
      );
      if (!bundle.ok) throw new Error(bundle.error.message);
      const { manifest, files } = bundle.value;
      expect(manifest.inputs).toEqual([{ name: 'image', datatype: 'UINT8', shape: [-1, 3, 4, 4] }]);
      const stages = new Map([['edge', defined(files.get('edge.onnx'), 'edge.onnx')]]);
      const scored = await runStages(
        manifest,
        stages,
        { input: image(255, 0, 7), labels: [0] },
        runtime,
      );
      const [red = 0, green = 0] = Array.from(scored.ok ? (scored.value[0]?.logits ?? []) : []);
      expect(red).toBeCloseTo(8, 4);
      expect(green).toBeCloseTo(-8, 4);
    },
  );

  it('is resized to, whatever its batch', async () => {
    const { model, input } = sampleClassifier(2, 1);
    const wrapped = wrapClassifier(model, input, { channels: 3, height: 4, width: 4 }, options);
    const session = await runtime.load(wrapped.ok ? encodeModel(wrapped.value) : new Uint8Array());
    if (!session.ok) throw new Error(session.error.message);
    const two = { ...image(), shape: [2, 3, 4, 4], data: new Uint8Array(96).fill(255) };
    const ran = await session.value.run({ image: two });
    expect(ran).toMatchObject({ ok: true, value: { logits: { shape: [2, 2] } } });
    for (const logit of ran.ok ? Array.from(ran.value['logits']?.data ?? [], Number) : [])
      expect(logit).toBeCloseTo(1, 4);
  });

  it('is trusted at no exit but the last', async () => {
    const models = [imported(sampleClassifier(2, 2)), imported(sampleClassifier(4, 8))];
    const bundle = await importBundle(models, options, runtime);
    expect(bundle.ok && bundle.value.manifest.variants[0]?.calibration.exits).toMatchObject([
      { exit: 1, threshold: null, n: 0 },
      { exit: 2, threshold: 0, n: 0 },
    ]);
  });

  it.each<[string, Partial<ImportOptions>]>([
    ['there are more labels than it has classes', { labels: ['red', 'green', 'blue'] }],
  ])('is refused where %s', async (_, changes) => {
    const bundle = await importBundle(
      [imported(sampleClassifier(4, 1))],
      { ...options, ...changes },
      runtime,
    );
    expect(bundle).toMatchObject({ ok: false, error: { code: 'invalid_bundle' } });
  });

  it.each<[string, Partial<TensorSpec>]>([
    ['takes no image', { shape: [-1, 3] }],
    ['leaves its size open', { shape: [-1, 3, -1, -1] }],
    ['takes other numbers than FP32', { datatype: 'FP64' }],
  ])('is refused where it %s', (_, changes) => {
    const { model, input } = sampleClassifier(4, 1);
    const size = { channels: 3, height: 4, width: 4 };
    expect(wrapClassifier(model, { ...input, ...changes }, size, options)).toMatchObject({
      error: { code: 'invalid_bundle' },
    });
  });
});

describe('a cascade', () => {
  it('is read as a bundle, and of the whole only the last model runs', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'skerry-cascade-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    await writeSampleCascade(folder);
    const bundle = await readBundle(folder, ['edge', 'cloud']);
    if (!bundle.ok) throw new Error(bundle.error.message);
    const { manifest, stages } = bundle.value;
    const scored = await runStages(
      manifest,
      stages,
      { input: image(255, 0, 0), labels: [0] },
      runtime,
    );
    const logits = scored.ok ? scored.value.map((exit) => Math.round(Number(exit.logits[0]))) : [];
    expect(logits).toEqual([2, 8]);
    const pipeline = await openPipeline(manifest.stages, stages, createOnnxDirectRuntime, {});
    if (!pipeline.ok) throw new Error(pipeline.error.message);
    onTestFinished(() => pipeline.value.close());
    const ran = await pipeline.value.run({ image: image(255, 0, 0) });
    expect(ran.ok && Math.round(Number(ran.value['logits']?.data[0]))).toBe(8);
  });
});
