// A tensor as the protocol's JSON holds it: nested or flat, row-major, its elements held against the datatype.

import { err, failure, ok, type Result } from '@skerry/shared';
import { textTensor } from '../bytes-tensor.ts';
import {
  bytesPerElement,
  type Datatype,
  datatypes,
  elementCount,
  setElement,
  type Tensor,
  tensorFromBytes,
} from '../tensor.ts';
import type { Parameters } from './parameters.ts';

export interface RawTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly datatype: string;
  readonly parameters: Parameters;
  readonly data?: readonly unknown[] | undefined;
}

const invalid = (message: string): Result<never> => err(failure('invalid_tensor', message));

export function readTensorDatatype({ name, datatype }: RawTensor): Result<Datatype> {
  const known = datatypes.find((d) => d === datatype);
  return known === undefined
    ? invalid(`'${name}': datatype ${datatype.slice(0, 16)} is not one of ${datatypes}`)
    : ok(known);
}

/** Fails with `invalid_tensor`, or `invalid_argument` where there is no data at all. */
export function readJsonTensor(raw: RawTensor): Result<Tensor> {
  const datatype = readTensorDatatype(raw);
  if (!datatype.ok) return datatype;
  if (datatype.value === 'FP16')
    return invalid(`'${raw.name}': FP16 has no form in JSON, send it as binary data`);
  const count = elementCount(raw.shape);
  if (!count.ok) return count;
  if (raw.data === undefined) return err(failure('invalid_argument', `'${raw.name}' has no data`));
  if (datatype.value === 'BYTES') return readTexts(raw, raw.data, count.value);
  const bytes = new Uint8Array(count.value * bytesPerElement(datatype.value));
  const tensor = tensorFromBytes(datatype.value, raw.shape, bytes);
  if (!tensor.ok) return tensor;
  const filled = fill(raw.data, count.value, 0, (index, element) =>
    write(tensor.value, index, element),
  );
  return filled === count.value ? tensor : notFilled(raw, count.value, filled);
}

function readTexts(raw: RawTensor, data: readonly unknown[], count: number): Result<Tensor> {
  const texts: string[] = [];
  const filled = fill(data, count, 0, (index, element) => {
    if (typeof element !== 'string') return false;
    if (index < count) texts.push(element);
    return true;
  });
  return filled === count ? ok(textTensor(raw.shape, texts)) : notFilled(raw, count, filled);
}

const notFilled = ({ name, shape, datatype }: RawTensor, count: number, filled: number) =>
  invalid(
    filled < 0
      ? `'${name}': an element is no ${datatype}`
      : `'${name}' [${shape}] takes ${count} elements, got ${filled}`,
  );

/**
 * Hands on nested or flat row-major elements from index `at` on and returns the index after the last, or −1 where
 * `write` takes one for none of its own. Stops one past the end, so that the caller sees that there were too many. The
 * depth has been checked with the whole request's.
 */
function fill(
  data: readonly unknown[],
  count: number,
  at: number,
  write: (index: number, element: unknown) => boolean,
): number {
  let index = at;
  for (const element of data) {
    if (index > count) return index;
    if (Array.isArray(element)) {
      index = fill(element, count, index, write);
      if (index < 0) return -1;
    } else {
      if (!write(index, element)) return -1;
      index += 1;
    }
  }
  return index;
}

const safeMin = Number.MIN_SAFE_INTEGER;
const safeMax = Number.MAX_SAFE_INTEGER;

/** Whole numbers beyond 2⁵³ have no exact form in JSON: they travel as binary data. */
const integerRanges: Partial<Record<Datatype, readonly [number, number]>> = {
  UINT8: [0, 255],
  UINT16: [0, 65_535],
  UINT32: [0, 2 ** 32 - 1],
  UINT64: [0, safeMax],
  INT8: [-128, 127],
  INT16: [-(2 ** 15), 2 ** 15 - 1],
  INT32: [-(2 ** 31), 2 ** 31 - 1],
  INT64: [safeMin, safeMax],
};

function write({ datatype, data }: Tensor, index: number, element: unknown): boolean {
  if (datatype === 'BOOL') {
    if (typeof element !== 'boolean') return false;
    data[index] = element ? 1 : 0;
    return true;
  }
  if (typeof element !== 'number') return false;
  const range = integerRanges[datatype];
  if (range && !(Number.isInteger(element) && element >= range[0] && element <= range[1]))
    return false;
  setElement(data, index, element);
  return true;
}
