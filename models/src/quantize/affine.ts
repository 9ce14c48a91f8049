// Affine quantization as ONNX defines it (QuantizeLinear, DequantizeLinear): real = scale × (byte − zero point).

import { assert } from '@skerry/shared';
import type { Tensor } from '../tensor.ts';

/** The values that are to be told apart; what lies outside is clipped. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

export type ByteType = 'UINT8' | 'INT8';

export interface Affine {
  readonly datatype: ByteType;
  readonly scale: number;
  readonly zeroPoint: number;
}

export const byteLimits = {
  UINT8: { min: 0, max: 255 },
  INT8: { min: -128, max: 127 },
} as const satisfies Record<ByteType, Range>;

/** Below it, a scale's reciprocal is no float any more. */
const scaleMin = 2 ** -120;

/** Zero is always exact: padding and ReLU make many. */
export function affineOf(range: Range, datatype: ByteType): Affine {
  const min = Math.min(0, range.min);
  const max = Math.max(0, range.max);
  const limits = byteLimits[datatype];
  const scale = Math.fround(Math.max((max - min) / 255, scaleMin));
  const zeroPoint = Math.round(limits.min - min / scale);
  return { datatype, scale, zeroPoint: Math.min(limits.max, Math.max(limits.min, zeroPoint)) };
}

/** The least and the largest value that bytes of this quantization stand for. */
export function reachOf({ datatype, scale, zeroPoint }: Affine): Range {
  const { min, max } = byteLimits[datatype];
  return { min: scale * (min - zeroPoint), max: scale * (max - zeroPoint) };
}

export interface QuantizedWeights {
  /** INT8, of the shape of the weights. */
  readonly tensor: Tensor;
  /** One a channel, or one for all. */
  readonly scales: Float32Array<ArrayBuffer>;
}

/**
 * Symmetric (zero point 0), each slice along `axis` with a scale of its own; one scale where there is no axis.
 * `bits` is 8 or 7: see WeightBits. `scaleFloors` are scales that a channel must not go below.
 */
export function quantizeWeights(
  { shape, data }: Tensor,
  axis: number | undefined,
  bits: WeightBits,
  scaleFloors: ArrayLike<number> = [],
): QuantizedWeights {
  assert(data instanceof Float32Array, 'weights are FP32');
  const channels = axis === undefined ? 1 : (shape[axis] as number);
  const inner = axis === undefined ? data.length : sizeAfter(shape, axis);
  const channelOf = (i: number): number => Math.floor(i / inner) % channels;
  const largest = new Float32Array(channels);
  for (let i = 0; i < data.length; i++) {
    const channel = channelOf(i);
    largest[channel] = Math.max(largest[channel] as number, Math.abs(data[i] as number));
  }
  const limit = bits === 8 ? 127 : 64;
  const scales = largest.map((value, c) => Math.max(value / limit, scaleFloors[c] ?? 0, scaleMin));
  const bytes = Int8Array.from(data, (value, i) => {
    const byte = Math.round(value / (scales[channelOf(i)] as number));
    return Math.max(-limit, Math.min(limit, byte));
  });
  return { tensor: { datatype: 'INT8', shape, data: bytes }, scales };
}

/**
 * x86 without VNNI adds two products of an unsigned and a signed byte in 16 bits and saturates there: 2·255·127 does not
 * fit, 2·255·64 does. With 7 bits every processor computes the same, so that a calibration made on one holds on the others.
 */
export type WeightBits = 7 | 8;

const sizeAfter = (shape: readonly number[], axis: number): number =>
  shape.slice(axis + 1).reduce((product, size) => product * size, 1);
