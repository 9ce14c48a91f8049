import { describe, expect, it } from 'vitest';
import type { Tensor } from '../tensor.ts';
import { decodeTensor, encodeTensor } from './tensor-proto.ts';

describe('tensor proto', () => {
  it.each<Tensor>([
    { datatype: 'FP32', shape: [2], data: Float32Array.of(0.5, -3) },
    { datatype: 'FP64', shape: [1], data: Float64Array.of(Math.PI) },
    { datatype: 'INT8', shape: [1, 2], data: Int8Array.of(-128, 127) },
    { datatype: 'UINT8', shape: [], data: Uint8Array.of(255) },
    { datatype: 'INT32', shape: [1], data: Int32Array.of(-7) },
    { datatype: 'INT64', shape: [1], data: BigInt64Array.of(-(2n ** 63n)) },
    { datatype: 'BOOL', shape: [2], data: Uint8Array.of(0, 1) },
    { datatype: 'FP32', shape: [0], data: new Float32Array() },
  ])('keeps $datatype $shape', (tensor) => {
    expect(decodeTensor(encodeTensor('t', tensor))).toEqual({ ok: true, value: tensor });
  });

  it('reads the typed fields, as other exporters write them', () => {
    const read = (more: object) => decodeTensor({ dims: [2n], dataType: 1, ...more });
    expect(read({ floatData: [1, 2] })).toMatchObject({ value: { data: Float32Array.of(1, 2) } });
    expect(read({ dataType: 3, int32Data: [-1, 1] })).toMatchObject({
      value: { data: Int8Array.of(-1, 1) },
    });
    expect(read({ dataType: 7, int64Data: [1n, 2n] })).toMatchObject({
      value: { data: BigInt64Array.of(1n, 2n) },
    });
  });

  it.each([
    ['an element type that no runtime here takes', { dims: [1n], dataType: 10 }],
    ['too few elements', { dims: [3n], dataType: 1, floatData: [1] }],
    ['too few bytes', { dims: [3n], dataType: 1, rawData: new Uint8Array(8) }],
    [
      'data in another file',
      { dims: [1n], dataType: 1, externalData: [{ key: 'location', value: 'w' }] },
    ],
  ])('refuses %s', (_, proto) => {
    expect(decodeTensor(proto)).toMatchObject({ ok: false, error: { code: 'invalid_tensor' } });
  });
});
