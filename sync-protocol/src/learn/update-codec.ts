// An update in bytes, in the plan's compression. The decoder believes nothing: it knows the layout and the compression from the
// plan, bounds the bytes before it reads them, makes one vector of the layout's length and nothing larger, and takes one form
// of bytes for one vector.
//
//   format (1) · scheme (1) · count of parameters (4) · body; numbers are little-endian
//   none      float32 each
//   quantize  of each tensor: its scale (float32), and unless that is 0 its codes, packed
//   top-k     count (4) · gaps between indices (LEB128) · float32 each

import { err, type Failure, failure, ok, type Random, type Result } from '@skerry/shared';
import { layoutSize, type ParameterLayout, tensorsOf } from './parameter-layout.ts';
import type { Compression } from './plan.ts';
import {
  dequantizeInto,
  maxNorm,
  packedBytes,
  type QuantizedBits,
  quantizeTensor,
} from './quantize-tensor.ts';
import { readVarint, selectLargest, varintBytesMax, writeVarint } from './sparse-indices.ts';

const format = 1;
const headBytes = 6;

export interface EncodedUpdate {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Of top-k with error feedback: what was left out, which the client keeps and adds to its next update. */
  readonly residual?: Float32Array<ArrayBuffer>;
}

export interface EncodeOptions {
  /** Rounds by chance; the same seed gives the same bytes. */
  readonly random: Random;
  readonly residual?: Float32Array | undefined;
}

/** No encoded update of this layout is longer. */
export function updateBytesMax(layout: ParameterLayout, compression: Compression): number {
  const size = layoutSize(layout);
  switch (compression.kind) {
    case 'none':
      return headBytes + 4 * size;
    case 'quantize':
      // Each tensor's codes end at a whole byte.
      return headBytes + packedBytes(size, compression.bits) + 5 * layout.tensors.length;
    case 'top-k':
      return headBytes + 4 + keptOf(size, compression.share) * (varintBytesMax + 4);
  }
}

/** How many of `size` numbers top-k keeps: at least one. */
export const keptOf = (size: number, share: number): number =>
  Math.min(size, Math.max(1, Math.ceil(size * share - 1e-9)));

/** Fails with `invalid_argument` for a vector of another length or with a number that is not finite. */
export function encodeUpdate(
  layout: ParameterLayout,
  compression: Compression,
  delta: Float32Array,
  { random, residual }: EncodeOptions,
): Result<EncodedUpdate> {
  const size = layoutSize(layout);
  const views = tensorsOf(layout, delta);
  if (!views.ok) return views;
  if (!delta.every(Number.isFinite))
    return err(failure('invalid_argument', 'an update with a number that is not finite'));
  switch (compression.kind) {
    case 'none':
      return ok({ bytes: joined(0, size, [floatBytes(delta)]) });
    case 'quantize': {
      const { bits } = compression;
      const parts = [...views.value.values()].flatMap((tensor) => {
        const scale = maxNorm(tensor);
        const scaleBytes = floatBytes(Float32Array.of(scale));
        if (scale === 0) return [scaleBytes];
        return [scaleBytes, quantizeTensor(tensor, scale, bits, random)];
      });
      return ok({ bytes: joined(bits, size, parts) });
    }
    case 'top-k':
      return encodeLargest(delta, compression, residual);
  }
}

const topKScheme = 16;

function encodeLargest(
  delta: Float32Array,
  { share, errorFeedback }: Extract<Compression, { kind: 'top-k' }>,
  residual: Float32Array | undefined,
): Result<EncodedUpdate> {
  const size = delta.length;
  const owed = errorFeedback ? residual : undefined;
  if (owed !== undefined && owed.length !== size)
    return err(failure('invalid_argument', `expected a residual of ${size}; found ${owed.length}`));
  const wanted = delta.map((value, i) => value + (owed?.[i] ?? 0));
  if (!wanted.every(Number.isFinite))
    return err(failure('invalid_argument', 'an update that its residual makes infinite'));
  const indices = selectLargest(wanted, keptOf(size, share));
  const gaps: number[] = [];
  let next = 0;
  for (const index of indices) {
    writeVarint(gaps, index - next);
    next = index + 1;
  }
  const values = Float32Array.from(indices, (index) => wanted[index] as number);
  const count = new Uint8Array(4);
  new DataView(count.buffer).setUint32(0, indices.length, true);
  const bytes = joined(topKScheme, size, [count, Uint8Array.from(gaps), floatBytes(values)]);
  if (!errorFeedback) return ok({ bytes });
  for (const index of indices) wanted[index] = 0;
  return ok({ bytes, residual: wanted });
}

function joined(
  scheme: number,
  size: number,
  parts: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, headBytes));
  const view = new DataView(bytes.buffer);
  view.setUint8(0, format);
  view.setUint8(1, scheme);
  view.setUint32(2, size, true);
  let at = headBytes;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function floatBytes(values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < values.length; i++) view.setFloat32(4 * i, values[i] as number, true);
  return bytes;
}

const malformed = (message: string): { ok: false; error: Failure } =>
  err(failure('malformed_message', message));

/** Fails with `too_large` or `malformed_message`; never throws, whatever the bytes are. */
export function decodeUpdate(
  layout: ParameterLayout,
  compression: Compression,
  bytes: Uint8Array,
): Result<Float32Array<ArrayBuffer>> {
  const size = layoutSize(layout);
  const bytesMax = updateBytesMax(layout, compression);
  if (bytes.length > bytesMax)
    return err(
      failure('too_large', `an update of at most ${bytesMax} bytes; found ${bytes.length}`),
    );
  if (bytes.length < headBytes) return malformed('shorter than the head of an update');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const scheme =
    compression.kind === 'none' ? 0 : compression.kind === 'top-k' ? topKScheme : compression.bits;
  if (view.getUint8(0) !== format) return malformed(`an update of format ${view.getUint8(0)}`);
  if (view.getUint8(1) !== scheme)
    return malformed(`expected an update of scheme ${scheme}; found ${view.getUint8(1)}`);
  if (view.getUint32(2, true) !== size)
    return malformed(`expected ${size} parameters; found ${view.getUint32(2, true)}`);
  switch (compression.kind) {
    case 'none':
      return readFloats(view, headBytes, size);
    case 'quantize':
      return decodeQuantized(layout, compression.bits, bytes, view);
    case 'top-k':
      return decodeLargest(size, keptOf(size, compression.share), bytes, view);
  }
}

/** To the end of the bytes. */
function readFloats(
  view: DataView,
  from: number,
  count: number,
): Result<Float32Array<ArrayBuffer>> {
  if (view.byteLength !== from + 4 * count)
    return malformed(`expected ${from + 4 * count} bytes; found ${view.byteLength}`);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const value = view.getFloat32(from + 4 * i, true);
    if (!Number.isFinite(value)) return malformed(`number ${i} is ${value}`);
    values[i] = value;
  }
  return ok(values);
}

function decodeQuantized(
  layout: ParameterLayout,
  bits: QuantizedBits,
  bytes: Uint8Array,
  view: DataView,
): Result<Float32Array<ArrayBuffer>> {
  const vector = new Float32Array(layoutSize(layout));
  const views = tensorsOf(layout, vector);
  if (!views.ok) return views;
  let at = headBytes;
  for (const [name, tensor] of views.value) {
    if (at + 4 > bytes.length) return malformed(`ends before the scale of '${name}'`);
    const scale = view.getFloat32(at, true);
    if (!Number.isFinite(scale) || scale < 0 || Object.is(scale, -0))
      return malformed(`the scale of '${name}' is ${scale}`);
    at += 4;
    if (scale === 0) continue;
    const end = at + packedBytes(tensor.length, bits);
    if (end > bytes.length) return malformed(`ends within '${name}'`);
    const read = dequantizeInto(tensor, bytes.subarray(at, end), scale, bits);
    if (!read.ok) return malformed(`'${name}' has ${read.error.message}`);
    at = end;
  }
  return at === bytes.length ? ok(vector) : malformed('bytes behind the last tensor');
}

function decodeLargest(
  size: number,
  keptMax: number,
  bytes: Uint8Array,
  view: DataView,
): Result<Float32Array<ArrayBuffer>> {
  if (bytes.length < headBytes + 4) return malformed('ends before the count');
  const count = view.getUint32(headBytes, true);
  if (count > keptMax) return malformed(`at most ${keptMax} numbers; found ${count}`);
  // An index takes one byte at least, a number four.
  if (bytes.length < headBytes + 4 + 5 * count) return malformed('ends before the last number');
  const indices = new Uint32Array(count);
  let at = headBytes + 4;
  let next = 0;
  for (let i = 0; i < count; i++) {
    const gap = readVarint(bytes, at);
    if (gap === undefined) return malformed(`index ${i} is none`);
    const index = next + gap.value;
    if (index >= size) return malformed(`index ${i} is behind the last parameter`);
    indices[i] = index;
    next = index + 1;
    at = gap.end;
  }
  const values = readFloats(view, at, count);
  if (!values.ok) return values;
  const vector = new Float32Array(size);
  for (let i = 0; i < count; i++) {
    const value = values.value[i] as number;
    if (value === 0) return malformed(`number ${i} is 0`);
    vector[indices[i] as number] = value;
  }
  return ok(vector);
}
