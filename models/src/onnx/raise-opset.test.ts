// What a model of opset 11 computes, and what it computes once it is raised, in the same runtime.

import { createRandom } from '@skerry/shared';
import { afterAll, describe, expect, it } from 'vitest';
import { createOnnxDirectRuntime } from '../runtime/onnx-direct.ts';
import type { Tensor } from '../tensor.ts';
import { createGraphBuilder, type GraphBuilder } from './graph-builder.ts';
import { encodeModel, type ModelProto } from './model-proto.ts';
import { raiseOpset } from './raise-opset.ts';

const runtime = createOnnxDirectRuntime();
afterAll(() => runtime.close());

const shape = [2, 3, 1, 4];
const random = createRandom(1);
const x: Tensor = {
  datatype: 'FP32',
  shape,
  data: Float32Array.from({ length: 24 }, () => 4 * random.next() - 2),
};

/** In the words of opset 11: from `x` FP32 [2, 3, 1, 4] to `y`. */
function oldModel(build: (graph: GraphBuilder) => void, version = 11n): ModelProto {
  const graph = createGraphBuilder('old');
  graph.input('x', 'FP32', shape);
  build(graph);
  graph.output('y', 'FP32', []);
  const { graph: built, ...model } = graph.build();
  // Its shape is what the runtime infers.
  const output = [{ name: 'y', type: { tensorType: { elemType: 1 } } }];
  return {
    ...model,
    irVersion: 6n,
    opsetImport: [{ domain: '', version }],
    graph: { ...built, output },
  };
}

async function run(model: ModelProto): Promise<Tensor | undefined> {
  const session = await runtime.load(encodeModel(model));
  if (!session.ok) throw new Error(session.error.message);
  const ran = await session.value.run({ x: { ...x, data: x.data.slice() } });
  await session.value.close();
  if (!ran.ok) throw new Error(ran.error.message);
  return ran.value['y'];
}

const operator =
  (name: string, attributes: Parameters<GraphBuilder['add']>[2]) =>
  (graph: GraphBuilder): void =>
    void graph.add(name, ['x'], attributes, 'y');

describe('a model of opset 11, raised to 13', () => {
  it.each<[string, (graph: GraphBuilder) => void]>([
    ['Squeeze', operator('Squeeze', { axes: [2] })],
    ['Squeeze of all that is 1', operator('Squeeze', {})],
    ['Unsqueeze', operator('Unsqueeze', { axes: [0, -1] })],
    ['ReduceSum', operator('ReduceSum', { axes: [1, 3], keepdims: 0 })],
    ['ReduceSum of all', operator('ReduceSum', { keepdims: 0 })],
    ['ReduceMean, whose axes stay', operator('ReduceMean', { axes: [-1] })],
    ...['Softmax', 'LogSoftmax', 'Hardmax'].flatMap((name) =>
      [undefined, 0, 1, 2, 3, -1, -2].map((axis): [string, (graph: GraphBuilder) => void] => [
        `${name} along ${axis}`,
        operator(name, axis === undefined ? {} : { axis }),
      ]),
    ),
    ['Dropout', operator('Dropout', { ratio: { float: 0.7 } })],
    [
      'Split',
      (graph) => {
        const [, second = ''] = graph.addMany('Split', ['x'], 2, { axis: 1, split: [1, 2] });
        graph.add('Identity', [second], {}, 'y');
      },
    ],
  ])('computes the same: %s', async (_, build) => {
    const old = oldModel(build);
    const raised = raiseOpset(old);
    if (!raised.ok) throw new Error(raised.error.message);
    expect(raised.value.opsetImport).toEqual([{ domain: '', version: 13n }]);
    const [before, after] = [await run(old), await run(raised.value)];
    expect(after?.shape).toEqual(before?.shape);
    expect(after?.data).toEqual(before?.data);
  });

  it('is left alone where it is new enough, and refused where it cannot be read', () => {
    const now = oldModel(operator('Identity', {}), 13n);
    expect(raiseOpset(now)).toEqual({ ok: true, value: now });
    expect(raiseOpset(oldModel(operator('Identity', {}), 10n))).toMatchObject({
      error: { code: 'invalid_bundle', message: expect.stringContaining('only 11') },
    });
    const resized = oldModel(
      operator('Resize', { coordinate_transformation_mode: 'tf_half_pixel_for_nn' }),
    );
    expect(raiseOpset(resized)).toMatchObject({ error: { code: 'invalid_bundle' } });
    const { graph } = oldModel(operator('Identity', {}));
    const looped = oldModel(operator('Identity', {}));
    const [node] = looped.graph.node;
    if (node === undefined) throw new Error('a node');
    const inside = { ...node, opType: 'If', attribute: [{ name: 'then_branch', g: graph }] };
    expect(raiseOpset({ ...looped, graph: { ...looped.graph, node: [inside] } })).toMatchObject({
      error: { message: expect.stringContaining('graphs inside') },
    });
  });
});
