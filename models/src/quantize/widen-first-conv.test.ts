import { createRandom, defined, type Random } from '@skerry/shared';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { createGraphBuilder } from '../onnx/graph-builder.ts';
import { encodeModel, type ModelProto } from '../onnx/model-proto.ts';
import { createOnnxDirectRuntime } from '../runtime/onnx-direct.ts';
import type { Tensor } from '../tensor.ts';
import { widenFirstConv } from './widen-first-conv.ts';

const runtime = createOnnxDirectRuntime();
afterAll(() => runtime.close());

interface Geometry {
  readonly channels?: number;
  readonly height?: number;
  readonly width?: number;
  readonly kernel?: readonly [number, number];
  readonly strides?: readonly [number, number];
  readonly pads?: readonly [number, number, number, number];
  readonly dilation?: number;
  readonly outputs?: number;
  readonly bias?: boolean;
  /** Of the convolution, beside the graph's output. */
  readonly readers?: readonly string[];
}

/** Their sums are exact, in whatever order. */
const wholes = (random: Random, length: number) =>
  Float32Array.from({ length }, () => random.below(9) - 4);

function network({
  channels = 1,
  height = 6,
  width = 8,
  kernel = [5, 5],
  strides = [2, 2],
  pads = [2, 2, 2, 2],
  dilation = 1,
  outputs = 3,
  bias = true,
  readers = ['Relu'],
}: Geometry): ModelProto {
  const random = createRandom(7);
  const graph = createGraphBuilder('first');
  const constant = (...shape: number[]): string => {
    const length = shape.reduce((size, each) => size * each, 1);
    return graph.constant({ datatype: 'FP32', shape, data: wholes(random, length) });
  };
  const x = graph.input('x', 'FP32', [-1, channels, height, width]);
  const inputs = [x, constant(outputs, channels, ...kernel), ...(bias ? [constant(outputs)] : [])];
  const attributes = { kernel_shape: kernel, strides, pads, dilations: [dilation, dilation] };
  const made = graph.add('Conv', inputs, attributes);
  for (const [i, reader] of readers.entries())
    graph.output(graph.add(reader, [made], {}, `y${i}`), 'FP32', [-1, outputs, -1, -1]);
  return graph.build();
}

async function run(model: ModelProto, x: Tensor): Promise<readonly number[][]> {
  const session = await runtime.load(encodeModel(model));
  if (!session.ok) throw new Error(session.error.message);
  const ran = await session.value.run({ x });
  await session.value.close();
  if (!ran.ok) throw new Error(ran.error.message);
  return Object.values(ran.value).map(({ shape, data }) => [...shape, ...(data as Float32Array)]);
}

function noise(channels: number, height: number, width: number): Tensor {
  const shape = [2, channels, height, width];
  const data = wholes(createRandom(8), 2 * channels * height * width);
  return { datatype: 'FP32', shape, data };
}

const nothing: ReadonlySet<string> = new Set();
const isWide = (model: ModelProto): boolean =>
  model.graph.node.some(({ opType }) => opType === 'Reshape');

describe('a first convolution that reads four columns as one', () => {
  it('computes what it did, whatever its kernel and padding', async () => {
    const side = fc.integer({ min: 1, max: 7 }).chain((kernel) =>
      fc.record({
        kernel: fc.constant(kernel),
        before: fc.integer({ min: 0, max: kernel - 1 }),
        short: fc.integer({ min: 0, max: Math.min(1, kernel - 1) }),
      }),
    );
    const geometries = fc.record({
      down: side,
      across: side,
      rows: fc.integer({ min: 1, max: 5 }),
      groups: fc.integer({ min: 1, max: 4 }),
      outputs: fc.integer({ min: 1, max: 5 }),
      bias: fc.boolean(),
      readers: fc.constantFrom(['Relu'], ['Identity'], ['Relu', 'Neg']),
    });
    await fc.assert(
      fc.asyncProperty(geometries, async ({ down, across, rows, groups, ...more }) => {
        const after = ({ kernel, before, short }: typeof down): number =>
          Math.max(0, kernel - 1 - short - before);
        const pads = [down.before, across.before, after(down), after(across)] as const;
        const [height, width] = [2 * rows, 4 * groups];
        const kernel = [down.kernel, across.kernel] as const;
        const model = network({ ...more, height, width, kernel, pads });
        const wide = widenFirstConv(model, nothing);
        const x = noise(1, height, width);
        expect(isWide(wide)).toBe(true);
        expect(await run(wide, x)).toEqual(await run(model, x));
      }),
      { numRuns: 60 },
    );
  });

  it.each<[string, Geometry]>([
    ['of several channels', { channels: 2 }],
    ['of another stride', { strides: [1, 1], pads: [2, 2, 2, 2] }],
    ['of a stride for each direction', { strides: [1, 2] }],
    ['with holes in its kernel', { dilation: 2, pads: [4, 4, 4, 4] }],
    ['of a width that is no multiple of four', { width: 10 }],
    ['whose places are not half as many as the columns', { pads: [2, 0, 2, 0] }],
  ])('is left as it is where it is one %s', (_, geometry) => {
    const model = network(geometry);
    expect(widenFirstConv(model, nothing)).toBe(model);
  });

  it('is left as it is where it is excluded', () => {
    const model = network({});
    const conv = defined(model.graph.node[0]?.name, 'the name of the convolution');
    expect(widenFirstConv(model, new Set(['Conv']))).toBe(model);
    expect(widenFirstConv(model, new Set([conv]))).toBe(model);
  });
});
