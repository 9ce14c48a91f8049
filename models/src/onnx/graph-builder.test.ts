import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { createGraphBuilder } from './graph-builder.ts';
import { encodeModel } from './model-proto.ts';

describe('graph builder', () => {
  it('builds what a runtime runs, attributes of each kind included', async () => {
    const graph = createGraphBuilder('test');
    const x = graph.input('x', 'FP32', [-1, 3]);
    const two = { datatype: 'FP32', shape: [1], data: Float32Array.of(2) } as const;
    const doubled = graph.add('Mul', [x, graph.add('Constant', [], { value: { tensor: two } })]);
    const leaky = graph.add('LeakyRelu', [doubled], { alpha: { float: 0.5 } });
    const [largest = '', places = ''] = graph.addMany(
      'TopK',
      [leaky, graph.constant({ datatype: 'INT64', shape: [1], data: BigInt64Array.of(1n) })],
      2,
      { axis: -1 },
    );
    graph.output(largest, 'FP32', [-1, 1]);
    graph.output(places, 'INT64', [-1, 1]);
    graph.output(graph.add('Transpose', [leaky], { perm: [1, 0] }, 'y'), 'FP32', [3, -1]);

    const session = await ort.InferenceSession.create(encodeModel(graph.build()));
    const feeds = { x: new ort.Tensor('float32', Float32Array.of(-1, 0, 4), [1, 3]) };
    const outputs = await session.run(feeds);
    expect(outputs['y']?.data).toEqual(Float32Array.of(-1, 0, 8));
    expect(outputs[largest]?.data).toEqual(Float32Array.of(8));
    expect(outputs[places]?.data).toEqual(BigInt64Array.of(2n));
    await session.release();
  });

  it('refuses to read a value that nothing makes, and to make one twice', () => {
    const graph = createGraphBuilder('test');
    graph.input('x', 'FP32', [1]);
    expect(() => graph.add('Relu', ['y'])).toThrow("reads 'y'");
    expect(() => graph.input('x', 'FP32', [1])).toThrow("'x' exists already");
    expect(() => graph.output('y', 'FP32', [1])).toThrow("'y' is made by no node");
  });
});
