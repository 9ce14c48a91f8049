// A delta takes a device from the model file that it holds to the one that it shall hold: each tensor as its difference
// from the base's, what lies between them as it is. Without a base it is the file itself, compressed by the same means.

import { brotliCompressSync, constants } from 'node:zlib';
import { assert } from '@skerry/shared/plain';
import { alignSegments, type Segment } from './align-segments.ts';
import { giveBackCoder, takeCoder } from './coder.ts';
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
  transforms,
  xor,
} from './delta-format.ts';
import { createPlanWriter, type PlanWriter } from './plan-writer.ts';
import { createTensorEncoder, type EncodeTensor } from './tensor-encoder.ts';

/** Structure is small, but for a file that is no model: there the better quality would take minutes. */
const thoroughBytesMax = 8_388_608;
const thoroughQuality = 9;
/** A plan's tables are much the same by either, some twenty bytes apart. */
const fastQuality = 5;

/** `sha256:` and hex digits, of who knows them. A delta with a wrong one makes nothing. */
export interface DeltaDigests {
  readonly target: string;
  readonly base: string | undefined;
}

/** @param base absent: the target by itself */
export function encodeDelta(
  target: Uint8Array,
  base?: Uint8Array,
  digests?: DeltaDigests,
): Uint8Array {
  assert(target.length <= deltaTargetBytesMax, 'a delta is asked for what fits memory');
  const coder = takeCoder();
  const { plan, structure, payload } = encodeSegments(target, base, createTensorEncoder(coder));
  giveBackCoder(coder);
  const structureQuality = structure.length > thoroughBytesMax ? fastQuality : thoroughQuality;
  const packed = [compress(plan, fastQuality), compress(structure, structureQuality)];
  const head = new Uint8Array(headBytes);
  head.set(magic);
  head.set(
    base === undefined ? noDigest : (bytesOf(digests?.base) ?? rawDigest(base)),
    magic.length,
  );
  head.set(bytesOf(digests?.target) ?? rawDigest(target), magic.length + digestBytes);
  const view = new DataView(head.buffer);
  for (const [i, { length }] of packed.entries())
    view.setUint32(magic.length + 2 * digestBytes + 4 * i, length, true);
  return Buffer.concat([head, ...packed, ...payload]);
}

function encodeSegments(
  target: Uint8Array,
  base: Uint8Array | undefined,
  encodeTensor: EncodeTensor,
) {
  const plan = createPlanWriter();
  const structure: Uint8Array[] = [];
  const payload: Uint8Array[] = [];
  const segments = alignSegments(target, base);
  plan.uint32(target.length).uint32(segments.length);
  let baseAt = 0;
  for (const segment of segments) {
    const bytes = target.subarray(segment.offset, segment.offset + segment.length);
    const from = baseOf(segment, base);
    const kind = kindOf(segment, bytes, from);
    plan.uint32(segmentKinds.indexOf(kind)).uint32(segment.length);
    if (kind !== 'structure') {
      plan.bool(segment.baseOffset !== undefined);
      if (segment.baseOffset !== undefined) {
        plan.sint32(segment.baseOffset - baseAt);
        baseAt = segment.baseOffset + segment.length;
      }
    }
    if (kind === 'structure') structure.push(bytes);
    else if (kind === 'changed-structure') structure.push(xor(bytes, from as Uint8Array));
    else if (kind === 'tensor') writeTensor(plan, payload, encodeTensor, segment, bytes, from);
  }
  return { plan: plan.finish(), structure: Buffer.concat(structure), payload };
}

const bytesOf = (digest: string | undefined): Uint8Array | undefined =>
  digest === undefined ? undefined : Buffer.from(digest.replace('sha256:', ''), 'hex');

function compress(bytes: Uint8Array, quality: number): Uint8Array {
  // Most of what a few kilobytes would cost is a window of megabytes made ready for them.
  const window = Math.ceil(Math.log2(bytes.length + 1)) + 1;
  return brotliCompressSync(bytes, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: quality,
      [constants.BROTLI_PARAM_LGWIN]: Math.max(windowBitsMin, Math.min(windowBitsMax, window)),
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    },
  });
}

const windowBitsMin = 12;
const windowBitsMax = 22;

function kindOf(
  { tensor }: Segment,
  bytes: Uint8Array,
  from: Uint8Array | undefined,
): (typeof segmentKinds)[number] {
  if (from !== undefined && Buffer.compare(bytes, from) === 0) return 'same';
  if (tensor !== undefined) return 'tensor';
  return from === undefined ? 'structure' : 'changed-structure';
}

const baseOf = ({ baseOffset, length }: Segment, base: Uint8Array | undefined) =>
  baseOffset === undefined ? undefined : base?.subarray(baseOffset, baseOffset + length);

function writeTensor(
  plan: PlanWriter,
  payload: Uint8Array[],
  encodeTensor: EncodeTensor,
  { tensor }: Segment,
  bytes: Uint8Array,
  from: Uint8Array | undefined,
): void {
  const { element, rowElements } = tensor as NonNullable<typeof tensor>;
  const { transform, planes } = encodeTensor(bytes, from, element, rowElements);
  plan.uint32(elements.indexOf(element)).uint32(rowElements).uint32(transforms.indexOf(transform));
  for (const plane of planes) {
    plan.uint32(planeKinds.indexOf(plane.kind));
    if (plane.kind === 'coded') {
      plan.uint32(plane.bytes.length);
      writeFrequencies(plan, plane.frequencies);
    }
    if (plane.kind !== 'zero') payload.push(plane.bytes);
  }
}

/** By context: how many symbols there are, then each as its distance from the one before, and its frequency. */
function writeFrequencies(plan: PlanWriter, frequencies: Uint16Array): void {
  for (let c = 0; c < frequencies.length; c += 256) {
    let symbols = 0;
    for (let s = c; s < c + 256; s++) if (frequencies[s] !== 0) symbols++;
    plan.uint32(symbols);
    let last = c - 1;
    for (let s = c; symbols > 0; s++) {
      const frequency = frequencies[s] as number;
      if (frequency === 0) continue;
      plan.uint32(s - last).uint32(frequency);
      last = s;
      symbols--;
    }
  }
}
