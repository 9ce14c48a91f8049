import { createRandom, defined } from '@skerry/shared';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { createGraphBuilder } from '../onnx/graph-builder.ts';
import { indexGraph } from '../onnx/graph-index.ts';
import { encodeModel, type ModelProto } from '../onnx/model-proto.ts';
import { profileGraph } from '../onnx/profile-graph.ts';
import { affineOf } from '../quantize/affine.ts';
import { createOnnxDirectRuntime } from '../runtime/onnx-direct.ts';
import type { Tensor, TensorMap } from '../tensor.ts';
import { drawNetwork } from '../testing/random-network.ts';
import { findCuts } from './find-cuts.ts';
import { rankCuts } from './rank-cuts.ts';
import { splitGraph } from './split-graph.ts';

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

async function profiled(model: ModelProto, feeds: TensorMap) {
  const profile = await profileGraph(model, [feeds], runtime);
  if (!profile.ok) throw new Error(profile.error.message);
  return profile.value;
}

const fp32 = (shape: number[], data: number[]): Tensor => ({
  datatype: 'FP32',
  shape,
  data: Float32Array.from(data),
});

/** x → Relu → a; a → Neg → b; a + b → sum → Neg → y. */
function diamond() {
  const graph = createGraphBuilder('diamond');
  const a = graph.add('Relu', [graph.input('x', 'FP32', [-1, 2])], {}, 'a');
  const sum = graph.add('Add', [a, graph.add('Neg', [a], {}, 'b')], {}, 'sum');
  graph.output(graph.add('Neg', [sum], {}, 'y'), 'FP32', [-1, 2]);
  return graph.build();
}

describe('a cut', () => {
  it('gives halves that together are exactly the whole, wherever it lies', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 31 }), async (seed) => {
        const { model, input } = drawNetwork(createRandom(seed));
        const x = input(3);
        const whole = await run(model, { x });
        const profile = await profiled(model, { x });
        const cuts = findCuts(profile.index);
        expect(cuts.length).toBeGreaterThan(0);
        for (const cut of cuts) {
          const seen = defined(profile.tensorOf(cut.value), cut.value);
          const { device, cloud, name } = splitGraph(model, cut, seen, undefined);
          const crossing = defined((await run(device, { x }))[name], name);
          expect((await run(cloud, { [name]: crossing }))['y']).toEqual(whole['y']);
        }
      }),
      { numRuns: 12 },
    );
  });

  it('in bytes carries each number to half a step', async () => {
    const model = diamond();
    const x = fp32([1, 2], [0.7, 2.9]);
    const cut = defined(findCuts(indexGraph(model.graph))[0], 'a cut');
    expect(cut.value).toBe('a');
    const affine = affineOf({ min: 0, max: 3 }, 'UINT8');
    const { device, cloud } = splitGraph(model, cut, x, affine);
    const crossing = defined((await run(device, { x }))['cut'], 'cut');
    expect(crossing).toMatchObject({ datatype: 'UINT8', shape: [1, 2] });
    const real = [...(crossing.data as Uint8Array)].map((byte) => byte * affine.scale);
    for (const [i, value] of [0.7, 2.9].entries())
      expect(Math.abs((real[i] as number) - value)).toBeLessThanOrEqual(affine.scale / 2 + 1e-6);
    expect(cloud.graph.input.map(({ name }) => name)).toEqual(['cut']);
    expect((await run(cloud, { cut: crossing }))['y']?.data).toEqual(Float32Array.of(-0, -0));
  });

  it('is none where two values cross', () => {
    const cuts = findCuts(indexGraph(diamond().graph));
    expect(cuts.map(({ value }) => value)).toEqual(['a', 'sum']);
  });

  it('leaves an exit that branches off before it on the device', async () => {
    const graph = createGraphBuilder('exits');
    const trunk = graph.add('Relu', [graph.input('x', 'FP32', [-1, 2])], {}, 'cut');
    graph.output(graph.add('Neg', [trunk], {}, 'early'), 'FP32', [-1, 2]);
    const next = graph.add('Exp', [trunk], {}, 'next');
    graph.output(graph.add('Neg', [next], {}, 'late'), 'FP32', [-1, 2]);
    const model = graph.build();
    const x = fp32([1, 2], [1, 2]);
    const cut = defined(
      findCuts(indexGraph(model.graph)).find(({ value }) => value === 'next'),
      'a cut at next',
    );
    // The graph has a value named cut already.
    const { device, cloud, name } = splitGraph(model, cut, x, undefined);
    expect(name).not.toBe('cut');
    expect(device.graph.output.map((o) => o.name)).toEqual(['early', name]);
    expect(cloud.graph.output.map((o) => o.name)).toEqual(['late']);
    const whole = await run(model, { x });
    const first = await run(device, { x });
    expect(first['early']).toEqual(whole['early']);
    const crossing = defined(first[name], name);
    expect((await run(cloud, { [name]: crossing }))['late']).toEqual(whole['late']);
  });
});

describe('the list of cuts', () => {
  it('has one between two products, that of fewest bytes, and counts their multiplications', async () => {
    const graph = createGraphBuilder('ranked');
    const weights = (shape: number[]) =>
      graph.constant(fp32(shape, new Array(shape.reduce((a, b) => a * b, 1)).fill(1)));
    const x = graph.input('x', 'FP32', [-1, 1, 6, 6]);
    const first = graph.add('Conv', [x, weights([2, 1, 3, 3])], {}, 'conv');
    graph.add('MaxPool', [first], { kernel_shape: [2, 2], strides: [2, 2] }, 'pooled');
    const flat = graph.add('Flatten', ['pooled'], { axis: 1 }, 'flat');
    graph.add('Gemm', [flat, weights([8, 3]), weights([3])], {}, 'y');
    graph.output('y', 'FP32', [-1, 3]);
    const feeds = { x: fp32([1, 1, 6, 6], new Array(36).fill(1)) };
    const profile = await profiled(graph.build(), feeds);
    expect(rankCuts(findCuts(profile.index), profile)).toMatchObject([
      // 2 filters of 9 on 4×4 places before it, 8 features for 3 outputs behind it.
      { value: 'flat', elements: 8, macsBefore: 2 * 9 * 16, macsBehind: 8 * 3 },
    ]);
  });
});
