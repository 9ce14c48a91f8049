import { describe, expect, it } from 'vitest';
import type { Tensor } from '../tensor.ts';
import { compareOutputs } from './compare-outputs.ts';

const fp32 = (...data: number[]): Tensor => ({
  datatype: 'FP32',
  shape: [data.length],
  data: Float32Array.from(data),
});
const bytes = (...data: number[]): Tensor => ({
  datatype: 'UINT8',
  shape: [data.length],
  data: Uint8Array.from(data),
});
const ids = (...data: number[]): Tensor => ({
  datatype: 'INT64',
  shape: [data.length],
  data: BigInt64Array.from(data, BigInt),
});

describe('[PRV2] two runs', () => {
  it.each<[string, Tensor, Tensor, number]>([
    ['the same', fp32(1, -2), fp32(1, -2), 0],
    ['a share of the largest value', fp32(0, -4), fp32(1, -4), 0.25],
    [
      'a mask on both sides',
      fp32(Number.NEGATIVE_INFINITY, 1),
      fp32(Number.NEGATIVE_INFINITY, 1),
      0,
    ],
    ['a NaN on one side', fp32(1, 1), fp32(Number.NaN, 1), Number.POSITIVE_INFINITY],
    ['nothing but zero', fp32(0), fp32(0.1), Number.POSITIVE_INFINITY],
    ['a byte rounded otherwise', bytes(7, 8), bytes(7, 9), 0],
    ['a byte that is another', bytes(7, 8), bytes(7, 10), Number.POSITIVE_INFINITY],
    ['an id that is another', ids(5), ids(6), Number.POSITIVE_INFINITY],
    ['another shape', fp32(1), fp32(1, 1), Number.POSITIVE_INFINITY],
    [
      'halves',
      { ...bytes(), datatype: 'FP16', shape: [1], data: Uint16Array.of(0x3c00) },
      { ...bytes(), datatype: 'FP16', shape: [1], data: Uint16Array.of(0x3e00) },
      0.5,
    ],
  ])('that gave %s', (_, expected, given, difference) => {
    expect(compareOutputs({ y: expected }, { y: given })).toBe(difference);
  });

  it('that gave other outputs', () => {
    expect(compareOutputs({ y: fp32(1) }, { z: fp32(1) })).toBe(Number.POSITIVE_INFINITY);
    expect(compareOutputs({ y: fp32(1) }, { y: fp32(1), z: fp32(1) })).toBe(
      Number.POSITIVE_INFINITY,
    );
  });
});
