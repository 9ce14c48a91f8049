// Where the weights of an ONNX file lie in its bytes. A delta is aligned to them, so that one byte more in a name costs
// one byte, and not the alignment of all that follows. Read by a walk over the protobuf wire format: nothing is copied.

import protobuf from 'protobufjs/minimal.js';

/** How a tensor's elements are read. */
export type Element = 'float32' | 'float16' | 'int8' | 'int16' | 'int32' | 'bytes';

export interface TensorRange {
  readonly name: string;
  readonly element: Element;
  readonly offset: number;
  readonly length: number;
  /** Elements from one row to the next; 1 for a vector. */
  readonly rowElements: number;
}

/** onnx.proto3: `ModelProto.graph`, `GraphProto.initializer`, and the fields of `TensorProto` that matter. */
const fields = {
  graph: 7,
  initializer: 5,
  dims: 1,
  dataType: 2,
  floatData: 4,
  name: 8,
  rawData: 9,
};
const lengthDelimited = 2;

/** Of `TensorProto.DataType`. Signed or not is the same to a difference modulo 2^n. */
const elements: Readonly<Record<number, Element>> = {
  1: 'float32',
  2: 'int8',
  3: 'int8',
  4: 'int16',
  5: 'int16',
  6: 'int32',
  10: 'float16',
  12: 'int32',
  16: 'float16',
};
export const elementBytes: Readonly<Record<Element, 1 | 2 | 4>> = {
  float32: 4,
  float16: 2,
  int8: 1,
  int16: 2,
  int32: 4,
  bytes: 1,
};

/** In the file's order. Of bytes that are no ONNX model: none. */
export function tensorRanges(file: Uint8Array): readonly TensorRange[] {
  const ranges: TensorRange[] = [];
  const text = new TextDecoder();
  const decode = (bytes: Uint8Array): string => text.decode(bytes);
  try {
    walk(file, 0, file.length, (field, from, to) => {
      if (field !== fields.graph) return;
      walk(file, from, to, (inner, start, end) => {
        if (inner !== fields.initializer) return;
        const range = rangeOf(file, start, end, decode);
        if (range !== undefined) ranges.push(range);
      });
    });
  } catch {
    // Whatever it is, it is not ours to judge: it travels as bytes.
    return [];
  }
  return ranges;
}

function rangeOf(
  file: Uint8Array,
  from: number,
  to: number,
  decode: (bytes: Uint8Array) => string,
): TensorRange | undefined {
  let name = '';
  let element: Element = 'bytes';
  let span: readonly [number, number] | undefined;
  const dims: number[] = [];
  walk(
    file,
    from,
    to,
    (field, start, end) => {
      if (field === fields.name) name = decode(file.subarray(start, end));
      else if (field === fields.rawData || field === fields.floatData) span = [start, end];
      else if (field === fields.dims) {
        const packed = protobuf.Reader.create(file.subarray(start, end));
        while (packed.pos < packed.len) dims.push(Number(packed.uint64()));
      }
    },
    (field, value) => {
      if (field === fields.dims) dims.push(value);
      else if (field === fields.dataType) element = elements[value] ?? 'bytes';
    },
  );
  if (span === undefined) return undefined;
  const [offset, end] = span;
  const length = end - offset;
  if (length % elementBytes[element] !== 0) element = 'bytes';
  const rowElements = dims.length < 2 ? 1 : dims.slice(1).reduce((size, dim) => size * dim, 1);
  return { name, element, offset, length, rowElements: Math.max(1, rowElements) };
}

/** Visits each field of the message in `[from, to)`. Throws where that is no message. */
function walk(
  file: Uint8Array,
  from: number,
  to: number,
  onBytes: (field: number, start: number, end: number) => void,
  onNumber: (field: number, value: number) => void = () => {},
): void {
  const reader = protobuf.Reader.create(file.subarray(0, to));
  reader.pos = from;
  while (reader.pos < to) {
    const tag = reader.uint32();
    const [field, wireType] = [tag >>> 3, tag & 7];
    if (wireType === lengthDelimited) {
      const length = reader.uint32();
      const start = reader.pos;
      reader.skip(length);
      onBytes(field, start, start + length);
    } else if (wireType === 0) onNumber(field, Number(reader.uint64()));
    else reader.skipType(wireType);
  }
}
