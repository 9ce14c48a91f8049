import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createRandom } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { softmax } from '../../confidence.ts';
import { zooDirectory } from '../../node/read-bundle.ts';
import { createGraphBuilder, type GraphBuilder } from '../../onnx/graph-builder.ts';
import { decodeModel, encodeModel } from '../../onnx/model-proto.ts';
import { createOnnxDirectRuntime } from '../../runtime/onnx-direct.ts';
import type { Tensor } from '../../tensor.ts';
import { digitsNetwork } from '../digits.ts';
import { gradientError } from '../gradient-error.ts';
import { selectImages } from '../labelled-images.ts';
import { sizeOf } from '../layers/layer.ts';
import { readMnist } from '../mnist.ts';
import { parametersOf } from '../network.ts';
import { createOnnxTrainer } from '../onnx-trainer.ts';
import type { TrainingExamples } from '../trainer.ts';
import { type ImportOptions, importTrainable } from './import-trainable.ts';

const random = createRandom(11);
const normal = (shape: readonly number[], deviation = 1): Tensor => ({
  datatype: 'FP32',
  shape,
  data: Float32Array.from({ length: sizeOf(shape) }, () => deviation * random.gaussian()),
});

async function imported(bytes: Uint8Array, options: ImportOptions = { trains: 'all' }) {
  const runtime = createOnnxDirectRuntime();
  onTestFinished(() => runtime.close());
  const subject = unwrap(await importTrainable(bytes, options, runtime));
  const trainer = createOnnxTrainer(subject.trainable, {}, subject.frozen);
  onTestFinished(() => trainer.close());
  return { ...subject, trainer };
}

const refusalOf = async (bytes: Uint8Array, options: ImportOptions = { trains: 'all' }) => {
  const refused = await importTrainable(bytes, options, createOnnxDirectRuntime());
  return refused.ok ? '' : refused.error.message;
};

/** A graph of one input `x`, whose output `y` is what `emit` makes of it. */
function modelOf(
  shape: readonly number[],
  emit: (graph: GraphBuilder, x: string, weight: (shape: readonly number[]) => string) => string,
): Uint8Array {
  const graph = createGraphBuilder('imported');
  const x = graph.input('x', 'FP32', [-1, ...shape]);
  const y = emit(graph, x, (of) => graph.constant(normal(of, 0.4)));
  graph.add('Identity', [y], {}, 'y');
  graph.output('y', 'FP32', [-1, 3]);
  return encodeModel(graph.build());
}

const examplesOf = (shape: readonly number[]): TrainingExamples => ({
  input: normal([8, ...shape]),
  labels: [0, 1, 2, 0, 1, 2, 0, 1],
});

/** Of the model as the runtime runs it, whether it ends in logits or in a softmax. */
async function lossOf(bytes: Uint8Array, { input, labels }: TrainingExamples): Promise<number> {
  const runtime = createOnnxDirectRuntime();
  onTestFinished(() => runtime.close());
  const session = unwrap(await runtime.load(bytes));
  const logits = unwrap(await session.run({ x: input }))['y']?.data ?? [];
  const count = input.shape[0] ?? 0;
  let loss = 0;
  for (let row = 0; row < count; row++) {
    const values = Array.from({ length: 3 }, (_, i) => Number(logits[3 * row + i]));
    const isShares = Math.abs(values.reduce((sum, v) => sum + v, 0) - 1) < 1e-5;
    const shares = isShares ? Float64Array.from(values) : softmax(values);
    loss -= Math.log(shares[(labels as number[])[row] as number] as number);
  }
  return loss / count;
}

const int64s = (graph: GraphBuilder, values: readonly number[]): string =>
  graph.constant({
    datatype: 'INT64',
    shape: [values.length],
    data: BigInt64Array.from(values.map(BigInt)),
  });

const image = [2, 9, 8];

describe('an imported graph', () => {
  it.each<[string, readonly number[], Parameters<typeof modelOf>[1]]>([
    [
      'Conv of any stride, padding and dilation, behind a Clip',
      image,
      (g, x, w) => {
        const attributes = { strides: [2, 1], pads: [1, 0, 2, 1], dilations: [1, 2] };
        const first = g.add('Conv', [x, w([4, 2, 3, 2]), w([4])], attributes);
        const low = g.constant(normal([], 0));
        const high = g.constant({ datatype: 'FP32', shape: [], data: Float32Array.of(1.5) });
        const kept = g.add('Clip', [first, low, high]);
        const second = g.add('Conv', [kept, w([2, 4, 2, 3])], { strides: [2, 2] });
        const third = g.add('Conv', [second, w([3, 2, 2, 2])], { auto_pad: 'SAME_UPPER' });
        return g.add('Flatten', [g.add('GlobalAveragePool', [third])]);
      },
    ],
    [
      'MaxPool whose windows overlap, MatMul and Add, a Reshape',
      image,
      (g, x, w) => {
        const conv = g.add('Conv', [x, w([3, 2, 3, 3]), w([3])]);
        const pool = g.add('MaxPool', [g.add('Relu', [conv])], {
          kernel_shape: [3, 3],
          strides: [2, 1],
          pads: [1, 1, 1, 1],
        });
        const size = 3 * 4 * 6;
        const flat = g.add('Reshape', [pool, int64s(g, [-1, size])]);
        return g.add('Add', [g.add('MatMul', [flat, w([size, 3])]), w([3])]);
      },
    ],
    [
      'a branch that joins again, BatchNormalization, Transpose and Squeeze',
      image,
      (g, x, w) => {
        const first = g.add('Conv', [x, w([2, 2, 3, 3]), w([2])], { pads: [1, 1, 1, 1] });
        const joined = g.add('Add', [g.add('Relu', [first]), first]);
        const ones = g.constant({ datatype: 'FP32', shape: [2], data: Float32Array.of(0.5, 2) });
        const normalized = g.add('BatchNormalization', [joined, ones, w([2]), w([2]), ones]);
        const last = g.add('Transpose', [normalized], { perm: [0, 2, 3, 1] });
        const first9 = g.add('Transpose', [last], { perm: [0, 3, 1, 2] });
        const pooled = g.add('GlobalAveragePool', [first9]);
        const flat = g.add('Squeeze', [pooled, int64s(g, [2, 3])]);
        return g.add('Gemm', [flat, w([2, 3]), w([1, 3])]);
      },
    ],
    [
      'BatchNormalization of features',
      [4],
      (g, x, w) => {
        const spread = g.constant({
          datatype: 'FP32',
          shape: [5],
          data: new Float32Array(5).fill(2),
        });
        const first = g.add('Gemm', [x, w([4, 5]), w([5])]);
        const normalized = g.add('BatchNormalization', [first, w([5]), w([5]), w([5]), spread]);
        return g.add('Gemm', [normalized, w([5, 3]), w([3])]);
      },
    ],
    [
      'weights that are read twice, before a Softmax',
      [4],
      (g, x, w) => {
        const shared = w([4, 4]);
        const once = g.add('Relu', [g.add('Gemm', [x, shared, w([4])], { transB: 1 })]);
        const twice = g.add('Gemm', [once, shared], { transB: 1 });
        return g.add('Softmax', [g.add('Gemm', [twice, w([3, 4]), w([3])], { transB: 1 })]);
      },
    ],
  ])('is differentiated: %s', async (_, shape, emit) => {
    const bytes = modelOf(shape, emit);
    const { trainer, weights } = await imported(bytes);
    const examples = examplesOf(shape);
    // It computes what the model computes…
    const { loss } = unwrap(await trainer.evaluate(weights, examples));
    expect(loss).toBeCloseTo(await lossOf(bytes, examples), 4);
    // … and its gradient is that of what it computes.
    const error = await gradientError(trainer, weights, examples, { seed: 1, directions: 4 });
    expect(unwrap(error)).toBeLessThan(0.02);
  });

  it('trains its last product alone where only its head is asked for, on features computed once', async () => {
    const bytes = modelOf(image, (g, x, w) => {
      const depthwise = g.add('Conv', [x, w([2, 1, 3, 3]), w([2])], { group: 2 });
      const features = g.add('HardSigmoid', [g.add('Flatten', [depthwise])]);
      return g.add('Add', [g.add('MatMul', [features, w([84, 3])]), w([3])]);
    });
    expect(await refusalOf(bytes)).toContain("through Conv 'conv_");
    const { trainer, weights, frozen, withWeights } = await imported(bytes, { trains: 'head' });
    expect(trainer.layout.tensors.map(({ shape }) => shape)).toEqual([[84, 3], [3]]);
    expect(frozen?.features).toContain('hardsigmoid');
    const examples = examplesOf(image);
    const task = { epochs: 30, batch: 4, learningRate: 0.5, seed: 1 };
    const before = unwrap(await trainer.evaluate(weights, examples));
    const { delta } = unwrap(await trainer.train(weights, examples, task));
    const trained = weights.map((w, i) => w + (delta[i] as number));
    const after = unwrap(await trainer.evaluate(trained, examples));
    expect(after.loss).toBeLessThan(before.loss / 2);
    // What is written is what was trained: the file itself answers as the trainer says.
    const again = await imported(withWeights(trained), { trains: 'head' });
    expect(again.weights).toEqual(trained);
    expect(unwrap(await again.trainer.evaluate(again.weights, examples))).toEqual(after);
  });

  it('has what was trained written where it was read, also where that was folded', async () => {
    // One matrix is read as it lies, and once turned: folded, it is two.
    const bytes = modelOf([4], (g, x, w) => {
      const shared = w([4, 4]);
      const first = g.add('Relu', [g.add('MatMul', [x, shared])]);
      const turned = g.add('MatMul', [first, g.add('Transpose', [shared], { perm: [1, 0] })]);
      return g.add('MatMul', [turned, w([4, 3])]);
    });
    const { trainer, weights, withWeights } = await imported(bytes);
    expect(trainer.layout.tensors.map(({ shape }) => shape)).toEqual([
      [4, 4],
      [4, 4],
      [4, 3],
    ]);
    const other = weights.map((value, i) => value + i / 100);
    const examples = examplesOf([4]);
    const { loss } = unwrap(await trainer.evaluate(other, examples));
    expect(await lossOf(withWeights(other), examples)).toBeCloseTo(loss, 4);
    const unfolded = modelOf([4], (g, x, w) => g.add('MatMul', [x, w([4, 3])]));
    const plain = await imported(unfolded);
    expect(plain.withWeights(plain.weights)).toEqual(unfolded);
  });

  it.each<[string, Parameters<typeof modelOf>[1], string]>([
    [
      'groups',
      (g, x, w) => g.add('Flatten', [g.add('Conv', [x, w([2, 1, 9, 8])], { group: 2 })]),
      'has groups',
    ],
    [
      'a scaled product',
      (g, x, w) => g.add('Gemm', [g.add('Flatten', [x]), w([144, 3])], { alpha: { float: 2 } }),
      'is transposed or scaled',
    ],
    [
      'no weights',
      (g, x) => g.add('Flatten', [g.add('GlobalAveragePool', [x])]),
      'depends on no FP32 weights',
    ],
    [
      'an operator without a rule',
      (g, x, w) => g.add('Sigmoid', [g.add('Gemm', [g.add('Flatten', [x]), w([144, 3])])]),
      'through Sigmoid',
    ],
  ])('is refused by name where it cannot be: %s', async (_, emit, message) => {
    expect(await refusalOf(modelOf(image, emit))).toContain(message);
  });

  it('is refused where it has no such output', async () => {
    const bytes = modelOf([4], (g, x, w) => g.add('MatMul', [x, w([4, 3])]));
    expect(await refusalOf(bytes, { trains: 'all', output: 'z' })).toContain("no output 'z'");
  });
});

describe('the digits that ship, imported', () => {
  const stage = (file: string) => readFile(join(zooDirectory, 'digits', file));
  const digits = async (): Promise<TrainingExamples> => {
    const { test } = await readMnist();
    const few = selectImages(
      test,
      Array.from({ length: 60 }, (_, i) => i),
    );
    return {
      input: { datatype: 'UINT8', shape: [60, 1, 28, 28], data: few.pixels },
      labels: few.labels,
    };
  };

  it('have their network’s weights, and its gradients', async () => {
    const { trainer, weights } = await imported(await stage('edge.onnx'));
    const names = parametersOf(digitsNetwork).map(({ name }) => name);
    const ofEdge = names.filter((name) => /^edge\.(trunk|head)/.test(name));
    expect(trainer.layout.tensors.map(({ name }) => name)).toEqual(ofEdge);
    const error = await gradientError(trainer, weights, await digits(), { seed: 2 });
    expect(unwrap(error)).toBeLessThan(0.1);
    expect(unwrap(await trainer.evaluate(weights, await digits())).accuracy).toBeGreaterThan(0.9);
  });

  it('have a head that the cut to the cloud does not depend on', async () => {
    const { trainer, withWeights, weights } = await imported(await stage('edge.onnx'), {
      trains: 'head',
    });
    const names = trainer.layout.tensors.map(({ name }) => name);
    expect(names.every((name) => name.startsWith('edge.head.'))).toBe(true);
    expect(names.length).toBe(4);
    const changed = unwrap(decodeModel(withWeights(weights.map((w) => w + 1)))).graph.initializer;
    const before = unwrap(decodeModel(await stage('edge.onnx'))).graph.initializer;
    const differ = before.filter((old) => {
      const now = changed.find(({ name }) => name === old.name);
      return Buffer.compare(Buffer.from(now?.rawData ?? []), Buffer.from(old.rawData ?? [])) !== 0;
    });
    expect(differ.map(({ name }) => name).toSorted()).toEqual(names.toSorted());
  });

  it('are refused in bytes', async () => {
    expect(await refusalOf(await stage('edge.int8.onnx'))).toContain('a quantized variant');
  });
});
