// The device's side of a delta. The base is verified first and the result last, so whatever happens to a delta on its
// way costs time alone; what it claims is bounded before it is believed.

import { brotliDecompressSync } from 'node:zlib';
import { err, failure, messageOf, ok, type Result } from '@skerry/shared/plain';
import protobuf from 'protobufjs/minimal.js';
import {
  deltaTargetBytesMax,
  digestBytes,
  elements,
  headBytes,
  magic,
  noDigest,
  planeKinds,
  rawDigest,
  segmentKinds,
  statesByMagic,
  tensorBytesMin,
  transforms,
  xor,
} from './delta-format.ts';
import { numbersOf, restore, type Transform } from './difference.ts';
import { contexts, createTensorDecoder, type DecodeTensor, type Plane } from './tensor-decoder.ts';
import { type Element, elementBytes } from './tensor-ranges.ts';

/** Ample: a segment takes about 20 bytes, and 4 KB with the tables of a tensor. */
const planBytesMax = 67_108_864;

/**
 * The target's bytes. Fails with `digest_mismatch` for another base than the delta's, or where what comes out is not
 * the target; with `malformed_message` for what is no delta; with `too_large` above `deltaTargetBytesMax`.
 */
export function applyDelta(delta: Uint8Array, base?: Uint8Array): Result<Uint8Array> {
  const states = statesByMagic.get(Buffer.from(delta.subarray(0, magic.length)).toString('latin1'));
  if (delta.length < headBytes || states === undefined)
    return err(failure('malformed_message', 'these bytes are no delta'));
  const wantsBase = delta.subarray(magic.length, magic.length + digestBytes);
  const wants = delta.subarray(magic.length + digestBytes, magic.length + 2 * digestBytes);
  const has = base === undefined ? noDigest : rawDigest(base);
  if (Buffer.compare(wantsBase, has) !== 0)
    return err(
      failure('digest_mismatch', `the delta is of base ${Buffer.from(wantsBase).toString('hex')}`),
    );
  try {
    const made = unpack(delta, base ?? new Uint8Array(), states);
    if (!made.ok) return made;
    if (Buffer.compare(rawDigest(made.value), wants) === 0) return made;
    return err(
      failure('digest_mismatch', `the delta does not make ${Buffer.from(wants).toString('hex')}`),
    );
  } catch (thrown) {
    return err(failure('malformed_message', `the delta: ${messageOf(thrown)}`));
  }
}

interface SegmentPlan {
  readonly kind: (typeof segmentKinds)[number];
  readonly length: number;
  readonly baseOffset?: number;
  readonly tensor?: TensorPlan;
}

interface TensorPlan {
  readonly element: Element;
  readonly rowElements: number;
  readonly transform: Transform;
  /** Without the bytes, which follow the plan. */
  readonly planes: readonly (
    | { readonly kind: 'zero' }
    | { readonly kind: 'raw' }
    | { readonly kind: 'coded'; readonly length: number; readonly frequencies: Uint16Array }
  )[];
}

/** Throws at bytes that are no delta. What a plan claims is held one segment at a time. */
function unpack(delta: Uint8Array, base: Uint8Array, states: number): Result<Uint8Array> {
  const view = new DataView(delta.buffer, delta.byteOffset, delta.byteLength);
  const parts = cursor(delta.subarray(headBytes));
  const [planLength, structureLength] = [headBytes - 8, headBytes - 4].map((at) =>
    view.getUint32(at, true),
  ) as [number, number];
  const plan = protobuf.Reader.create(
    brotliDecompressSync(parts(planLength), { maxOutputLength: planBytesMax }),
  );
  const targetBytes = plan.uint32();
  if (targetBytes > deltaTargetBytesMax)
    return err(failure('too_large', `a delta for ${targetBytes} bytes`));
  const structure = cursor(
    brotliDecompressSync(parts(structureLength), { maxOutputLength: Math.max(1, targetBytes) }),
  );
  const decodeTensor = createTensorDecoder(states);
  const target = new Uint8Array(targetBytes);
  let at = 0;
  for (const segment of readSegments(plan)) {
    const out = target.subarray(at, at + segment.length);
    const from = take(base, segment.baseOffset, segment.length);
    if (out.length !== segment.length) throw new RangeError('it reaches beyond its target');
    out.set(bytesOf(segment, from, structure, parts, decodeTensor));
    at += segment.length;
  }
  if (at !== targetBytes) throw new RangeError('it ends before its target');
  return ok(target);
}

function bytesOf(
  { kind, length, tensor }: SegmentPlan,
  from: Uint8Array | undefined,
  structure: Cursor,
  payload: Cursor,
  decodeTensor: DecodeTensor,
): Uint8Array {
  if (tensor !== undefined) return tensorBytesOf(tensor, length, from, payload, decodeTensor);
  if (kind === 'structure') return structure(length);
  if (from === undefined) throw new RangeError(`${kind} without a base`);
  return kind === 'same' ? from : xor(structure(length), from);
}

function tensorBytesOf(
  { element, rowElements, transform, planes }: TensorPlan,
  length: number,
  from: Uint8Array | undefined,
  payload: Cursor,
  decodeTensor: DecodeTensor,
): Uint8Array {
  const elements = length / elementBytes[element];
  if (!Number.isInteger(elements)) throw new RangeError('a part of a number');
  const filled = planes.map((plane): Plane => {
    if (plane.kind === 'zero') return plane;
    return { ...plane, bytes: payload(plane.kind === 'raw' ? elements : plane.length) };
  });
  if (from === undefined && transform !== 'plain')
    throw new RangeError('a difference from nothing');
  const decoded = decodeTensor(filled, elements, rowElements);
  if (decoded === undefined) throw new RangeError('a tensor is cut short');
  const numbers = numbersOf(decoded, element);
  restore(numbers, from && numbersOf(from, element), element, transform);
  return new Uint8Array(numbers.buffer);
}

function* readSegments(plan: protobuf.Reader): Generator<SegmentPlan> {
  let baseAt = 0;
  for (let left = plan.uint32(); left > 0; left--) {
    const kind = oneOf(segmentKinds, plan.uint32());
    const length = plan.uint32();
    if (length < (kind === 'tensor' ? tensorBytesMin : 1))
      throw new RangeError(`a ${kind} of ${length} bytes`);
    if (kind === 'structure') {
      yield { kind, length };
      continue;
    }
    let baseOffset: number | undefined;
    if (plan.bool()) {
      baseOffset = baseAt + plan.sint32();
      baseAt = baseOffset + length;
    }
    const based = baseOffset === undefined ? {} : { baseOffset };
    yield { kind, length, ...based, ...(kind === 'tensor' ? { tensor: readTensor(plan) } : {}) };
  }
}

function readTensor(plan: protobuf.Reader): TensorPlan {
  const element = oneOf(elements, plan.uint32());
  const rowElements = plan.uint32();
  const transform = oneOf(transforms, plan.uint32());
  const planes = Array.from({ length: elementBytes[element] }, () => {
    const kind = oneOf(planeKinds, plan.uint32());
    if (kind !== 'coded') return { kind };
    const length = plan.uint32();
    return { kind, length, frequencies: readFrequencies(plan) };
  });
  return { element, rowElements, transform, planes };
}

function readFrequencies(plan: protobuf.Reader): Uint16Array {
  const frequencies = new Uint16Array(contexts * 256);
  for (let c = 0; c < frequencies.length; c += 256) {
    let symbol = -1;
    for (let left = plan.uint32(); left > 0; left--) {
      symbol += plan.uint32();
      if (symbol > 255) throw new RangeError('a symbol above a byte');
      frequencies[c + symbol] = plan.uint32();
    }
  }
  return frequencies;
}

function oneOf<T>(list: readonly T[], place: number): T {
  const found = list[place];
  if (found === undefined) throw new RangeError(`no kind ${place}`);
  return found;
}

type Cursor = (length: number) => Uint8Array;

/** The next bytes of it, at each call. */
function cursor(bytes: Uint8Array): Cursor {
  let at = 0;
  return (length) => {
    at += length;
    return take(bytes, at - length, length) as Uint8Array;
  };
}

function take(
  bytes: Uint8Array,
  offset: number | undefined,
  length: number,
): Uint8Array | undefined {
  if (offset === undefined) return undefined;
  const taken = bytes.subarray(offset, offset + length);
  if (offset < 0 || taken.length !== length) throw new RangeError('it reaches beyond its bytes');
  return taken;
}
