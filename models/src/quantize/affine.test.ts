import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Tensor } from '../tensor.ts';
import { affineOf, byteLimits, quantizeWeights, reachOf } from './affine.ts';

const real = fc.float({ min: -1000, max: 1000, noNaN: true });
const fp32 = (shape: number[], data: number[]): Tensor => ({
  datatype: 'FP32',
  shape,
  data: Float32Array.from(data),
});

describe('affine quantization', () => {
  it('has zero exactly, and reaches the whole range to half a step', () => {
    fc.assert(
      fc.property(real, real, fc.constantFrom('UINT8', 'INT8'), (a, b, datatype) => {
        const range = { min: Math.min(a, b), max: Math.max(a, b) };
        const affine = affineOf(range, datatype);
        const { min, max } = byteLimits[datatype];
        expect(Number.isInteger(affine.zeroPoint)).toBe(true);
        expect(affine.zeroPoint).toBeGreaterThanOrEqual(min);
        expect(affine.zeroPoint).toBeLessThanOrEqual(max);
        const reach = reachOf(affine);
        const slack = affine.scale * 0.501;
        expect(reach.min).toBeLessThanOrEqual(Math.min(0, range.min) + slack);
        expect(reach.max).toBeGreaterThanOrEqual(Math.max(0, range.max) - slack);
      }),
    );
  });

  it('keeps each weight to half a step of its own channel', () => {
    const weights = fc.array(real, { minLength: 12, maxLength: 12 });
    fc.assert(
      fc.property(
        weights,
        fc.constantFrom(0, 1),
        fc.constantFrom(7 as const, 8 as const),
        (data, axis, bits) => {
          const { tensor, scales } = quantizeWeights(fp32([3, 4], data), axis, bits);
          for (const [i, byte] of (tensor.data as Int8Array).entries()) {
            const scale = scales[axis === 0 ? Math.floor(i / 4) : i % 4] as number;
            expect(Math.abs(byte * scale - Math.fround(data[i] as number))).toBeLessThanOrEqual(
              scale * 0.501,
            );
          }
        },
      ),
    );
  });

  it('with 7 bits never sums two products beyond 16 bits, which x86 without VNNI saturates at', () => {
    const { tensor } = quantizeWeights(fp32([2], [-3, 3]), undefined, 7);
    const largest = Math.max(...(tensor.data as Int8Array).map(Math.abs));
    expect(2 * 255 * largest).toBeLessThanOrEqual(2 ** 15 - 1);
    expect(2 * 255 * 127).toBeGreaterThan(2 ** 15 - 1);
  });

  it('survives a channel of zeros', () => {
    const { tensor, scales } = quantizeWeights(fp32([2, 2], [0, 0, 1, -1]), 0, 8);
    expect([...(tensor.data as Int8Array)]).toEqual([0, 0, 127, -127]);
    expect(scales.every((scale) => scale > 0)).toBe(true);
  });
});
