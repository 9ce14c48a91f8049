import { describe, expect, it } from 'vitest';
import { checkTensor, elementsOf, tensorBytes, tensorFromBytes } from './tensor.ts';

const elementsOfHalves = (bits: number[]): number[] =>
  Array.from(elementsOf({ datatype: 'FP16', data: Uint16Array.from(bits) }));

describe('a tensor', () => {
  it('comes back from its bytes, aligned or not, from a Node Buffer too', () => {
    const bytes = tensorBytes({ datatype: 'FP32', shape: [2], data: Float32Array.of(0.5, -2) });
    for (const offset of [0, 1, 4]) {
      const buffer = Buffer.alloc(16);
      buffer.set(bytes, offset);
      const read = tensorFromBytes('FP32', [2], buffer.subarray(offset, offset + 8));
      expect(read.ok && [...read.value.data]).toEqual([0.5, -2]);
    }
  });

  it.each([
    ['too few bytes', [2], 7],
    ['too many', [2], 9],
    ['a negative dimension', [-1], 0],
    ['a fractional dimension', [0.5], 2],
    ['more dimensions than a tensor has', new Array(9).fill(1), 4],
    ['more elements than a tensor has', [2 ** 20, 2 ** 20], 4],
  ])('is refused for %s', (_, shape, bytes) => {
    const read = tensorFromBytes('FP32', shape, new Uint8Array(bytes));
    expect(read).toMatchObject({ error: { code: 'invalid_tensor' } });
  });

  it('has elements that are numbers, half floats and 64-bit whole numbers too', () => {
    const halves = [0x0000, 0x8000, 0x3c00, 0xc000, 0x3555, 0x7bff, 0x0001, 0x03ff, 0x7c00, 0xfc00];
    expect([...elementsOfHalves(halves)]).toEqual([
      0,
      -0,
      1,
      -2,
      0.333251953125,
      65_504,
      2 ** -24,
      2 ** -14 - 2 ** -24,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
    ]);
    expect([...elementsOfHalves([0x7e00])]).toEqual([Number.NaN]);
    const data = BigInt64Array.of(-3n, 5n);
    expect(Array.from(elementsOf({ datatype: 'INT64', data }))).toEqual([-3, 5]);
  });

  it('fits a spec of its datatype and shape, −1 fitting any size', () => {
    const spec = { name: 'x', datatype: 'UINT8', shape: [-1, 2] } as const;
    const tensor = (shape: number[]) =>
      ({ datatype: 'UINT8', shape, data: new Uint8Array(6) }) as const;
    expect(checkTensor(spec, tensor([3, 2])).ok).toBe(true);
    expect(checkTensor(spec, tensor([2, 3])).ok).toBe(false);
    expect(checkTensor(spec, tensor([6])).ok).toBe(false);
    expect(checkTensor({ ...spec, datatype: 'INT8' }, tensor([3, 2])).ok).toBe(false);
  });
});
