import { createRandom, defined } from '@skerry/shared';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { createGraphBuilder } from '../onnx/graph-builder.ts';
import { encodeModel, type ModelProto } from '../onnx/model-proto.ts';
import { createOnnxDirectRuntime } from '../runtime/onnx-direct.ts';
import type { Tensor, TensorMap } from '../tensor.ts';
import { type Closeness, closenessOf, cosine } from './closeness.ts';
import { packNibbles } from './pack-nibbles.ts';
import { type QuantizeOptions, quantizeModel } from './quantize-model.ts';

const runtime = createOnnxDirectRuntime();
afterAll(() => runtime.close());

const options: QuantizeOptions = {
  mode: 'dynamic',
  weightBits: 7,
  activations: 'UINT8',
  method: 'min-max',
  excluded: new Set(),
};
const seeds = fc.integer({ min: 0, max: 2 ** 31 });

/** MatMul to `middle`, Gelu's Erf between, then a Gemm with every attribute that it may have. */
function perceptron(
  seed: number,
  middle: number,
): { model: ModelProto; feeds: TensorMap; inputs: number } {
  const random = createRandom(seed);
  const inputs = 1 + random.below(70);
  const outputs = 1 + random.below(9);
  const graph = createGraphBuilder('perceptron');
  const draw = (shape: number[]): Tensor => ({
    datatype: 'FP32',
    shape,
    data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.gaussian()),
  });
  const x = graph.input('x', 'FP32', [-1, inputs]);
  const hidden = graph.add('Erf', [
    graph.add('MatMul', [x, graph.constant(draw([inputs, middle]))]),
  ]);
  const transB = random.below(2);
  const weights = graph.constant(draw(transB === 1 ? [outputs, middle] : [middle, outputs]));
  const bias = random.below(2) === 1 ? [graph.constant(draw([outputs]))] : [];
  const attributes = { transB, alpha: { float: 0.5 }, beta: { float: 2 } };
  graph.output(graph.add('Gemm', [hidden, weights, ...bias], attributes, 'y'), 'FP32', [
    -1,
    outputs,
  ]);
  return { model: graph.build(), feeds: { x: draw([5, inputs]) }, inputs };
}

async function closeness(
  model: ModelProto,
  feeds: TensorMap,
  changes: Partial<QuantizeOptions>,
): Promise<Closeness & { nodes: number; quantized: ModelProto }> {
  const quantized = await quantizeModel(model, [], { ...options, ...changes }, runtime);
  if (!quantized.ok) throw new Error(quantized.error.message);
  const { model: near, nodes } = quantized.value;
  const close = await closenessOf(encodeModel(model), encodeModel(near), [feeds], runtime);
  if (!close.ok) throw new Error(close.error.message);
  return { ...close.value, nodes, quantized: near };
}

describe.each([
  ['dynamic', 7, 0.98],
  ['dynamic', 8, 0.98],
  ['weights', 7, 0.99],
  ['weights', 8, 0.99],
  ['weights', 4, 0.8],
] as const)('%s quantization with %i bits', (mode, weightBits, least) => {
  it(`keeps random perceptrons to a cosine of ${least}`, async () => {
    await fc.assert(
      fc.asyncProperty(seeds, async (seed) => {
        const { model, feeds } = perceptron(seed, 64);
        const close = await closeness(model, feeds, { mode, weightBits });
        expect(close.nodes).toBe(2);
        expect(close.mean).toBeGreaterThan(least);
      }),
      { numRuns: 15 },
    );
  });
});

describe('quantization without data', () => {
  it('makes an activation bytes once, however many products read it', async () => {
    const graph = createGraphBuilder('shared');
    const x = graph.input('x', 'FP32', [-1, 2]);
    const square = graph.constant({
      datatype: 'FP32',
      shape: [2, 2],
      data: Float32Array.of(1, 2, 3, 4),
    });
    const sum = graph.add(
      'Add',
      [graph.add('MatMul', [x, square]), graph.add('MatMul', [x, square])],
      {},
      'y',
    );
    graph.output(sum, 'FP32', [-1, 2]);
    const feeds = { x: { datatype: 'FP32', shape: [1, 2], data: Float32Array.of(1, -1) } as const };
    const { quantized } = await closeness(graph.build(), feeds, {});
    const operators = quantized.graph.node.map(({ opType }) => opType);
    expect(operators.filter((name) => name === 'DynamicQuantizeLinear')).toHaveLength(1);
    expect(operators.filter((name) => name === 'MatMulInteger')).toHaveLength(2);
  });

  it('gives each row of a table of embeddings its own scale', async () => {
    const graph = createGraphBuilder('table');
    const rows = 2048;
    // Rows from a thousandth to a thousand: one scale for all would leave nothing of most.
    const data = Float32Array.from(
      { length: rows * 32 },
      (_, i) => 10 ** ((Math.floor(i / 32) % 7) - 3) * (1 + (i % 3)),
    );
    const table = graph.constant({ datatype: 'FP32', shape: [rows, 32], data });
    const ids = graph.input('ids', 'INT64', [-1]);
    graph.output(graph.add('Gather', [table, ids], {}, 'y'), 'FP32', [-1, 32]);
    const model = graph.build();
    for (const id of [0, 3, 6]) {
      const feeds = {
        ids: { datatype: 'INT64', shape: [1], data: BigInt64Array.of(BigInt(id)) } as const,
      };
      const { mean, quantized } = await closeness(model, feeds, { weightBits: 8 });
      expect(mean).toBeGreaterThan(0.9999);
      expect(encodeModel(quantized).byteLength).toBeLessThan(encodeModel(model).byteLength / 3);
    }
  });

  it('refuses four bits where nothing computes with them', async () => {
    const { model } = perceptron(1, 4);
    for (const mode of ['static', 'dynamic'] as const)
      expect(
        await quantizeModel(model, [], { ...options, mode, weightBits: 4 }, runtime),
      ).toMatchObject({
        error: { code: 'invalid_argument' },
      });
  });
});

describe('four bits', () => {
  it('hold each weight to half a step, the largest of a block exactly', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 70 }), (seed, columns) => {
        const random = createRandom(seed);
        const data = Float32Array.from({ length: 3 * columns }, () => random.gaussian());
        const { bytes, scales, blockSize } = packNibbles({
          datatype: 'FP32',
          shape: [3, columns],
          data,
        });
        const [, blocks = 0] = bytes.shape;
        for (let row = 0; row < 3; row++)
          for (let c = 0; c < columns; c++) {
            const block = row * blocks + Math.floor(c / blockSize);
            const byte = bytes.data[(block * blockSize + (c % blockSize)) >> 1] as number;
            const level = ((byte >> (4 * (c & 1))) & 15) - 8;
            const scale = defined(scales.data[block], 'a scale') as number;
            // Levels reach 7 on one side and 8 on the other: what would be 8 there is a whole step off.
            const off = Math.abs(level * scale - (data[row * columns + c] as number));
            expect(off).toBeLessThanOrEqual(Math.abs(scale) * (level === 7 ? 1.001 : 0.501));
          }
      }),
    );
  });
});

describe('cosine similarity', () => {
  it('is 1 for the same direction, −1 for the opposite, and 1 for nothing at all', () => {
    const a = Float64Array.of(1, 2);
    expect(cosine(a, Float64Array.of(2, 4))).toBeCloseTo(1);
    expect(cosine(a, Float64Array.of(-1, -2))).toBeCloseTo(-1);
    expect(cosine(Float64Array.of(0), Float64Array.of(0))).toBe(1);
  });
});
