import { createRandom, defined } from '@skerry/shared';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { extendGraph } from '../onnx/extend-graph.ts';
import { createGraphBuilder, type GraphBuilder } from '../onnx/graph-builder.ts';
import { encodeModel, type ModelProto } from '../onnx/model-proto.ts';
import { profileGraph } from '../onnx/profile-graph.ts';
import { createOnnxDirectRuntime } from '../runtime/onnx-direct.ts';
import type { Tensor, TensorMap } from '../tensor.ts';
import { drawNetwork } from '../testing/random-network.ts';
import { emitFrozen, type FrozenNodes, gradientStopsAt } from './frozen-gradient.ts';

const runtime = createOnnxDirectRuntime();
afterAll(() => runtime.close());

async function run(model: ModelProto, feeds: TensorMap): Promise<TensorMap> {
  const session = await runtime.load(encodeModel(model));
  if (!session.ok) throw new Error(session.error.message);
  const ran = await session.value.run(feeds);
  await session.value.close();
  if (!ran.ok) throw new Error(ran.error.message);
  return ran.value;
}

async function frozenOf(model: ModelProto, x: Tensor): Promise<FrozenNodes> {
  const profile = await profileGraph(model, [{ x }], runtime);
  if (!profile.ok) throw new Error(profile.error.message);
  const moved = new Set(['x', ...model.graph.node.flatMap(({ output }) => output)]);
  return {
    nodes: model.graph.node,
    shapeOf: (value) => defined(profile.value.tensorOf(value), value).shape,
    isMoved: (value) => moved.has(value),
  };
}

/** Of Σ y · r by x, as the graph says; and as y differs a small step away, both along that step. */
async function slopesOf(model: ModelProto, x: Tensor, seed: number, stepSize: number) {
  const random = createRandom(seed);
  const normal = (length: number) => Float32Array.from({ length }, () => random.gaussian());
  const at = await frozenOf(model, x);
  expect(gradientStopsAt(at)).toBeUndefined();
  const y = defined((await run(model, { x }))['y'], 'y');
  const r: Tensor = { ...y, data: normal(y.data.length) };
  const graph = extendGraph(model);
  graph.input('x', 'FP32', x.shape);
  graph.input('r', 'FP32', r.shape);
  const backward = emitFrozen(graph, at);
  graph.add('Identity', [defined(backward(new Map([['y', 'r']])).get('x'), 'x')], {}, 'slope');
  graph.output('slope', 'FP32', x.shape);
  const slope = defined((await run(graph.build(), { x, r }))['slope'], 'slope');
  const step = normal(x.data.length).map((value) => value * stepSize);
  const near = (x.data as Float32Array).map((value, i) => value + (step[i] as number));
  const moved = defined((await run(model, { x: { ...x, data: near } }))['y'], 'y');
  const dot = (a: Tensor['data'], b: Tensor['data']): number =>
    (a as Float32Array).reduce((sum, value, i) => sum + value * Number(b[i]), 0);
  const difference = (moved.data as Float32Array).map((value, i) => value - Number(y.data[i]));
  return { told: dot(slope.data, step) / stepSize, seen: dot(difference, r.data) / stepSize };
}

const image = (shape: number[], seed: number): Tensor => {
  const random = createRandom(seed);
  const length = shape.reduce((a, b) => a * b, 1);
  return { datatype: 'FP32', shape, data: Float32Array.from({ length }, () => random.gaussian()) };
};

function build(
  emit: (graph: GraphBuilder, x: string, numbers: Numbers) => string,
  shape: number[],
) {
  const graph = createGraphBuilder('frozen');
  let seed = 1;
  const numbers: Numbers = (...dims) => graph.constant(image(dims, seed++));
  const y = emit(graph, graph.input('x', 'FP32', [-1, ...shape]), numbers);
  graph.add('Identity', [y], {}, 'y');
  graph.output('y', 'FP32', [-1, 1]);
  return graph.build();
}
type Numbers = (...dims: number[]) => string;
const int64s = (graph: GraphBuilder, ...values: number[]) =>
  graph.constant({
    datatype: 'INT64',
    shape: [values.length],
    data: BigInt64Array.from(values.map(BigInt)),
  });

describe('the gradient through nodes whose weights stay', () => {
  it('is how a random network’s outputs move with its input', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 31 }), async (seed) => {
        const { model, input } = drawNetwork(createRandom(seed));
        // So small a step seldom crosses where a Relu, a Clip or a maximum turns.
        const { told, seen } = await slopesOf(model, input(2), seed, 1e-4);
        expect(Math.abs(told - seen)).toBeLessThan(0.05 * (1 + Math.abs(told)));
      }),
      { numRuns: 15, seed: 7 },
    );
  });

  it.each<[string, Parameters<typeof build>[0], number[]]>([
    [
      'strides, dilations, groups and uneven padding',
      (g, x, n) =>
        g.add('Conv', [x, n(4, 2, 3, 3), n(4)], {
          kernel_shape: [3, 3],
          strides: [2, 3],
          dilations: [1, 2],
          pads: [1, 0, 2, 1],
          group: 2,
        }),
      [4, 8, 9],
    ],
    [
      'padding that is left to be computed',
      (g, x, n) =>
        g.add('Conv', [x, n(2, 4, 4, 3), n(2)], { auto_pad: 'SAME_LOWER', strides: [2, 3] }),
      [4, 8, 9],
    ],
    [
      'a normalisation, a scale, and a branch that joins again',
      (g, x, n) => {
        const normal = g.add('BatchNormalization', [x, n(3), n(3), n(3), positive(g)]);
        const scaled = g.add('Mul', [normal, n(3, 1, 1)]);
        return g.add('Sub', [g.add('Add', [x, scaled]), g.add('Mul', [n(3, 1, 1), x])]);
      },
      [3, 4, 4],
    ],
    [
      'averages, reshapes and products',
      (g, x, n) => {
        const mean = g.add('ReduceMean', [x], { axes: [2, 3], keepdims: 0 });
        const product = g.add('MatMul', [mean, n(3, 6)]);
        const whole = g.add('GlobalAveragePool', [x]);
        const flat = g.add('Flatten', [whole], { axis: 1 });
        const gemm = g.add('Gemm', [flat, n(3, 6), n(6)], { alpha: { float: 0.5 } });
        const shaped = g.add('Reshape', [product, int64s(g, 0, 6)]);
        return g.add('Add', [shaped, gemm]);
      },
      [3, 4, 4],
    ],
  ])('passes %s', async (_, emit, shape) => {
    const { told, seen } = await slopesOf(build(emit, shape), image([2, ...shape], 9), 5, 1);
    expect(told).toBeCloseTo(seen, 2);
  });

  it.each<[string, number[], Parameters<typeof build>[0]]>([
    ['Relu', [0, 3, 3, 0], (g, x) => g.add('Relu', [x])],
    ['Clip', [0, 3, 0, 0], (g, x) => g.add('Clip', [x, number(g, 0), number(g, 6)])],
  ])('is nought at a bound of %s, as where weights are trained', async (_, expected, emit) => {
    const x: Tensor = { datatype: 'FP32', shape: [1, 4], data: Float32Array.of(0, 3, 6, -1) };
    const model = build(emit, [4]);
    const graph = extendGraph(model);
    graph.input('x', 'FP32', x.shape);
    const backward = emitFrozen(graph, await frozenOf(model, x));
    const gradient = graph.constant({ ...x, data: new Float32Array(4).fill(3) });
    const slope = defined(backward(new Map([['y', gradient]])).get('x'), 'x');
    graph.add('Identity', [slope], {}, 'slope');
    graph.output('slope', 'FP32', x.shape);
    expect([...((await run(graph.build(), { x }))['slope']?.data ?? [])]).toEqual(expected);
  });

  it('stops at an operator of another domain, and at what only looks like one', () => {
    const stopsAt = (opType: string, domain: string) => {
      const node = { opType, domain, input: ['x'], output: ['y'], attribute: [] };
      return gradientStopsAt({ nodes: [node], shapeOf: () => [1, 3], isMoved: () => true });
    };
    expect(stopsAt('Relu', 'ai.onnx')).toBeUndefined();
    expect(stopsAt('Relu', 'com.example')).toBe('Relu');
    expect(stopsAt('constructor', '')).toBe('constructor');
  });

  it.each<[string, Parameters<typeof build>[0]]>([
    ['Elu', (g, x) => g.add('Elu', [x])],
    // Tiles that overlap.
    ['MaxPool', (g, x) => g.add('MaxPool', [x], { kernel_shape: [3, 3], strides: [2, 2] })],
    // Repeats what moves.
    ['Add', (g, x, n) => g.add('Add', [x, n(2, 1, 4, 8, 8)])],
    [
      'Gemm',
      (g, x) => g.add('Gemm', [g.add('Flatten', [x]), g.add('Flatten', [x])], { transB: 1 }),
    ],
  ])('stops, and says so, at %s', async (operator, emit) => {
    const model = build(emit, [4, 8, 8]);
    expect(gradientStopsAt(await frozenOf(model, image([1, 4, 8, 8], 1)))).toBe(operator);
  });
});

const number = (graph: GraphBuilder, value: number): string =>
  graph.constant({ datatype: 'FP32', shape: [], data: Float32Array.of(value) });
const positive = (graph: GraphBuilder): string =>
  graph.constant({ datatype: 'FP32', shape: [3], data: Float32Array.of(0.5, 1, 2) });
