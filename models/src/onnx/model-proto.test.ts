import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createGraphBuilder } from './graph-builder.ts';
import { decodeModel, encodeModel, type ModelProto } from './model-proto.ts';

const zoo = new URL('../../zoo/digits/', import.meta.url);

const decoded = (bytes: Uint8Array): ModelProto => {
  const model = decodeModel(bytes);
  if (!model.ok) throw new Error(model.error.message);
  return model.value;
};

/** A node with every kind of attribute, and a graph with every kind of value that Skerry carries along unread. */
const exotic: ModelProto = {
  irVersion: 11n,
  opsetImport: [
    { domain: '', version: 23n },
    { domain: 'com.microsoft', version: 1n },
  ],
  docString: 'naïve',
  metadataProps: [{ key: 'author', value: 'nobody' }],
  functions: [{ name: 'twice', domain: 'local', input: ['x'], output: ['y'] }],
  graph: {
    name: 'exotic',
    input: [
      {
        name: 'x',
        type: { tensorType: { elemType: 1, shape: { dim: [{ dimParam: 'batch' }, {}] } } },
      },
      { name: 's', type: { sequenceType: { elemType: { tensorType: { elemType: 8 } } } } },
      { name: 'o', type: { optionalType: { elemType: { tensorType: { elemType: 1 } } } } },
    ],
    output: [{ name: 'y', docString: 'out', metadataProps: [{ key: 'k', value: 'v' }] }],
    initializer: [
      { name: 'floats', dims: [2n], dataType: 1, floatData: [0.5, -2] },
      { name: 'ints', dims: [1n], dataType: 7, int64Data: [-(2n ** 63n)] },
      { name: 'words', dims: [1n], dataType: 8, stringData: [Uint8Array.of(0xff, 0)] },
      {
        name: 'far',
        dims: [4n],
        dataType: 1,
        dataLocation: 1,
        externalData: [{ key: 'location', value: 'w.bin' }],
      },
    ],
    node: [
      {
        opType: 'If',
        domain: 'com.microsoft',
        overload: 'v2',
        input: ['x', '', 's'],
        output: ['y'],
        attribute: [
          { name: 'largest', type: 2, i: 2n ** 63n - 1n },
          { name: 'zero', type: 1, f: 0 },
          { name: 'ints', type: 7, ints: [-1n, 2n ** 62n] },
          { name: 'text', type: 3, s: Uint8Array.of(104, 105) },
          { name: 'texts', type: 8, strings: [Uint8Array.of(104), new Uint8Array()] },
          {
            name: 'then_branch',
            type: 5,
            g: { name: 'then', node: [], initializer: [], input: [], output: [] },
          },
        ],
      },
    ],
  },
};

describe('model proto', () => {
  it('keeps every field of a model through encode and decode', () => {
    expect(decoded(encodeModel(exotic))).toMatchObject(exotic);
  });

  it.each(['edge.onnx', 'cloud.onnx'])('writes %s again byte for byte', (file) => {
    const bytes = readFileSync(new URL(file, zoo));
    expect(bytes.equals(encodeModel(decoded(bytes)))).toBe(true);
  });

  it('keeps a built graph', () => {
    const graph = createGraphBuilder('sum');
    const sum = graph.add('Add', [
      graph.input('a', 'FP32', [-1, 2]),
      graph.constant({ datatype: 'FP32', shape: [2], data: Float32Array.of(1, 2) }, 'b'),
    ]);
    graph.output(sum, 'FP32', [-1, 2]);
    expect(decoded(encodeModel(graph.build()))).toMatchObject(graph.build());
  });

  it.each([
    ['random bytes', Uint8Array.of(0xff, 0xff, 0xff, 0xff)],
    ['a file that is cut off', encodeModel(exotic).subarray(0, 40)],
    ['nothing', new Uint8Array()],
  ])('refuses %s', (_, bytes) => {
    expect(decodeModel(bytes)).toMatchObject({ ok: false, error: { code: 'invalid_bundle' } });
  });
});
