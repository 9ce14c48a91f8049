import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom } from '@skerry/shared';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runRows } from '../bundle/run-stages.ts';
import { createGraphBuilder } from '../onnx/graph-builder.ts';
import { encodeModel } from '../onnx/model-proto.ts';
import { createOnnxDirectRuntime } from '../runtime/onnx-direct.ts';
import { examplesOf } from '../training/evaluate.ts';
import { exportStages } from '../training/export-stages.ts';
import { type LabelledImages, selectImages } from '../training/labelled-images.ts';
import { conv } from '../training/layers/conv.ts';
import { dense } from '../training/layers/dense.ts';
import { flatten } from '../training/layers/flatten.ts';
import { maxPool } from '../training/layers/max-pool.ts';
import { relu } from '../training/layers/relu.ts';
import { readMnist } from '../training/mnist.ts';
import type { Network } from '../training/network.ts';
import { trainNetwork } from '../training/train-network.ts';
import { split } from './split.ts';

const network: Network = {
  input: [1, 28, 28],
  segments: [
    {
      name: 'whole',
      lossWeight: 1,
      trunk: [conv({ channels: 16, kernel: 5, stride: 2, padding: 2 }), relu(), maxPool(2)],
      head: [flatten(), dense(10)],
      neck: [],
    },
  ],
};
const pixelScale = 1 / 127.5;
const noWarp = {
  rotationRadiansMax: 0,
  scaleMax: 0,
  shearMax: 0,
  shiftPixelsMax: 0,
  elasticPixels: 0,
};

/** An IDX file: two zeros, 8 for bytes, the rank, the sizes, the bytes. */
function idx(shape: readonly number[], bytes: Uint8Array): Uint8Array {
  const head = new DataView(new ArrayBuffer(4 + 4 * shape.length));
  head.setUint8(2, 8);
  head.setUint8(3, shape.length);
  for (const [i, size] of shape.entries()) head.setUint32(4 + 4 * i, size);
  return Buffer.concat([new Uint8Array(head.buffer), bytes]);
}

let folder: string;
/** Real digits: the network learns from some, the bottleneck from others. */
let others: LabelledImages;
let data: string;
const path = (name: string): string => join(folder, name);
const runtime = createOnnxDirectRuntime();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skerry-bottleneck-'));
  const { train } = await readMnist();
  const range = (from: number, to: number) =>
    selectImages(
      train,
      Array.from({ length: to - from }, (_, i) => from + i),
    );
  others = range(3_000, 4_500);
  const weights = await trainNetwork(
    network,
    range(0, 3_000),
    {
      ...{ epochs: 2, batch: 32, momentum: 0.9, weightDecay: 1e-4, pixelScale, warp: noWarp },
      ...{ learningRateMax: 0.02, warmupSteps: 10 },
    },
    { seed: 1, threads: 2 },
  );
  const [model] = exportStages(network, weights, { pixelScale, cutScales: [] });
  if (model === undefined) throw new Error('a network');
  await writeFile(path('whole.onnx'), encodeModel(model));
  const { count, height, width, pixels, labels } = others;
  await writeFile(path('images'), idx([count, height, width], pixels));
  await writeFile(path('labels'), idx([count], labels));
  data = `${path('images')},${path('labels')}`;
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const cut = 'maxpool_8';
const at = (...flags: string[]) =>
  split.run([path('whole.onnx'), '--at', cut, '--data', data, ...flags]);

async function logitsOf(input: Parameters<typeof runRows>[1], ...files: string[]) {
  let outputs = { logits: input };
  let feed = input;
  for (const file of files) {
    const ran = await runRows(await readFile(file), feed, runtime);
    if (!ran.ok) throw new Error(ran.error.message);
    outputs = ran.value as typeof outputs;
    feed = Object.values(ran.value)[0] as typeof feed;
  }
  return outputs.logits;
}

function agreement(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const best = (of: ArrayLike<number>, row: number): number => {
    const logits = Array.from({ length: 10 }, (_, i) => of[10 * row + i] as number);
    return logits.indexOf(Math.max(...logits));
  };
  const rows = a.length / 10;
  let same = 0;
  for (let row = 0; row < rows; row++) if (best(a, row) === best(b, row)) same += 1;
  return same / rows;
}

describe('models split --bottleneck', () => {
  it('writes halves that carry fewer channels and answer as the whole does', async () => {
    const out = path('halves');
    const done = await at('--bottleneck', '6', '--out', out, '--accuracy-drop-max', '0.02');
    expect(done).toMatchObject({ ok: true, value: expect.stringContaining('bottleneck of 6') });
    expect(done.ok && done.value).toMatch(/logits and activations, on 1200 examples/);
    const { input } = examplesOf(others);
    const [device, cloud] = [join(out, 'device.onnx'), join(out, 'cloud.onnx')];
    const crossing = await runRows(await readFile(device), input, runtime);
    expect(crossing).toMatchObject({
      value: { cut: { datatype: 'UINT8', shape: [1_500, 6, 7, 7] } },
    });
    const whole = await logitsOf(input, path('whole.onnx'));
    const halves = await logitsOf(input, device, cloud);
    const same = agreement(whole.data as Float32Array, halves.data as Float32Array);
    expect(same).toBeGreaterThan(0.9);
  });

  it('writes nothing where the bottleneck loses more than it may', async () => {
    const out = path('none');
    const done = await at('--bottleneck', '1', '--out', out, '--epochs', '1');
    expect(done).toMatchObject({
      error: {
        code: 'invalid_bundle',
        message: expect.stringMatching(/loses .*Nothing was written/),
      },
    });
    await expect(readdir(out)).rejects.toThrow('ENOENT');
  });

  it('learns what the network needs, not what is large', async () => {
    // Of two features the large one says nothing and the small one everything: the principal direction is the wrong one.
    const graph = createGraphBuilder('needs');
    const fp32 = (shape: number[], numbers: number[]) =>
      graph.constant({ datatype: 'FP32', shape, data: Float32Array.from(numbers) });
    const features = graph.add(
      'Gemm',
      [graph.add('Flatten', [graph.input('x', 'FP32', [-1, 1, 1, 2])]), fp32([2, 2], [3, 0, 0, 1])],
      {},
      'features',
    );
    graph.add(
      'Gemm',
      [features, fp32([2, 2], [0, 0, 9, -9]), fp32([2], [-4.5, 4.5])],
      {},
      'logits',
    );
    graph.output('logits', 'FP32', [-1, 2]);
    await writeFile(path('needs.onnx'), encodeModel(graph.build()));
    const random = createRandom(3);
    const pixels = Uint8Array.from({ length: 4_000 }, () => random.below(256));
    const labels = Uint8Array.from({ length: 2_000 }, (_, i) =>
      Number((pixels[2 * i + 1] ?? 0) < 128),
    );
    await writeFile(path('pairs'), idx([2_000, 1, 2], pixels));
    await writeFile(path('halves-of'), idx([2_000], labels));
    const done = await split.run([
      ...[path('needs.onnx'), '--at', 'features', '--bottleneck', '1', '--out', path('needed')],
      ...['--data', `${path('pairs')},${path('halves-of')}`, '--epochs', '24'],
      ...['--accuracy-drop-max', '0.05'],
    ]);
    expect(done).toMatchObject({ ok: true });
  });

  it('learns from the activations alone where no gradient passes, and says so', async () => {
    const graph = createGraphBuilder('elu');
    const x = graph.input('x', 'FP32', [-1, 1, 28, 28]);
    const numbers = (shape: number[], seed: number) => {
      const random = createRandom(seed);
      const length = shape.reduce((a, b) => a * b, 1);
      const drawn = Float32Array.from({ length }, () => random.gaussian() / 10);
      return graph.constant({ datatype: 'FP32', shape, data: drawn });
    };
    const kernel = { kernel_shape: [7, 7], strides: [7, 7] };
    const made = graph.add('Conv', [x, numbers([4, 1, 7, 7], 1)], kernel, 'made');
    const elu = graph.add('Elu', [made]);
    graph.add('Gemm', [graph.add('Flatten', [elu]), numbers([64, 10], 2)], {}, 'logits');
    graph.output('logits', 'FP32', [-1, 10]);
    await writeFile(path('elu.onnx'), encodeModel(graph.build()));
    const done = await split.run([
      ...[path('elu.onnx'), '--at', 'made', '--bottleneck', '3', '--out', path('elu')],
      ...['--data', data, '--epochs', '1', '--accuracy-drop-max', '1'],
    ]);
    expect(done).toMatchObject({
      value: expect.stringContaining('its activations alone: no gradient passes the operator Elu'),
    });
  });

  it.each<[string, string[]]>([
    ['no folder', ['--bottleneck', '4']],
    ['as many channels', ['--bottleneck', '16', '--out', 'x']],
    ['a cut left as it is', ['--bottleneck', '4', '--out', 'x', '--bytes', 'none']],
    ['an unknown cut', ['--bottleneck', '4', '--out', 'x', '--at', 'nowhere']],
    ['an unknown output', ['--bottleneck', '4', '--out', 'x', '--logits', 'nothing']],
  ])('refuses %s', async (_, flags) => {
    expect(await at(...flags)).toMatchObject({ error: { code: 'invalid_argument' } });
  });
});
