import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';
import { createRandom, defined } from '@skerry/shared';
import fc from 'fast-check';
import protobuf from 'protobufjs/minimal.js';
import { beforeAll, describe, expect, it } from 'vitest';
import { decodeModel, encodeModel, type ModelProto, type TensorProto } from '../../onnx/index.ts';
import { zooDirectory } from '../read-bundle.ts';
import { applyDelta } from './apply-delta.ts';
import { applyDeltaApart, makeDelta } from './delta-apart.ts';
import { deltaTargetBytesMax, headBytes } from './delta-format.ts';
import { difference, type Numbers, numbersOf, restore } from './difference.ts';
import { encodeDelta } from './encode-delta.ts';
import { decodeTensor, encodeTensor } from './tensor-coder.ts';
import { type Element, elementBytes, tensorRanges } from './tensor-ranges.ts';

const elements = Object.keys(elementBytes) as Element[];

let base: Uint8Array;
let model: ModelProto;
beforeAll(async () => {
  base = await readFile(join(zooDirectory, 'digits', 'edge.onnx'));
  const decoded = decodeModel(base);
  if (!decoded.ok) throw new Error(decoded.error.message);
  model = decoded.value;
});

/** The model with other tensors. */
const changed = (change: (tensor: TensorProto, i: number) => TensorProto): Uint8Array =>
  encodeModel({
    ...model,
    graph: { ...model.graph, initializer: model.graph.initializer.map(change) },
  });

/** Each weight a little further, as training goes on. */
const trained = (share: number) => {
  const random = createRandom(1);
  return changed((tensor) => {
    if (tensor.rawData === undefined || tensor.dataType !== 1) return tensor;
    const weights = new Float32Array(new Uint8Array(tensor.rawData).buffer);
    const moved = weights.map((w) =>
      random.next() < share ? w * (1 + random.gaussian() / 100) : w,
    );
    return { ...tensor, rawData: new Uint8Array(moved.buffer) };
  });
};

const applied = (target: Uint8Array, from?: Uint8Array) => {
  const delta = encodeDelta(target, from);
  const made = applyDelta(delta, from);
  expect(made.ok && Buffer.compare(made.value, target)).toBe(0);
  return delta.length / target.length;
};

describe('a delta', () => {
  it('makes the target from its base, and is small where little has changed', () => {
    const all = applied(trained(1), base);
    const some = applied(trained(0.05), base);
    const alone = applied(trained(1));
    expect(alone).toBeLessThan(0.93);
    expect(all).toBeLessThan(0.75 * alone);
    expect(some).toBeLessThan(0.25 * all);
    expect(applied(base, base)).toBeLessThan(0.02);
  });

  it('aligns to tensors: a longer name, another order and a new tensor cost themselves alone', () => {
    const last = defined(model.graph.initializer.at(-1), 'a tensor');
    const moved = encodeModel({
      ...model,
      docString: 'a few bytes more, so that everything lies elsewhere',
      graph: {
        ...model.graph,
        initializer: [
          { ...last, name: 'new' },
          ...model.graph.initializer.toReversed().map((t) => ({ ...t, name: `${t.name}.moved` })),
        ],
      },
    });
    expect(applied(moved, base)).toBeLessThan(0.12);
  });

  it('makes any bytes from any', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 5_000 }),
        fc.uint8Array({ maxLength: 5_000 }),
        (a, b) => {
          applied(a, b);
          applied(a);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('is refused for another base, before anything is made', () => {
    const delta = encodeDelta(trained(1), base);
    for (const other of [trained(0.5), undefined])
      expect(applyDelta(delta, other)).toMatchObject({ error: { code: 'digest_mismatch' } });
  });

  it('with a bit flipped anywhere, or cut short, makes the target or nothing, and throws nothing', () => {
    const target = trained(0.2);
    const delta = encodeDelta(target, base);
    const random = createRandom(3);
    for (let i = 0; i < 400; i++) {
      const damaged = new Uint8Array(delta);
      const bit = random.below(delta.length * 8);
      damaged[bit >> 3] = defined(damaged[bit >> 3], 'a byte') ^ (1 << (bit & 7));
      // Some bits carry nothing, as in a last byte that is not full.
      const made = applyDelta(damaged, base);
      expect(!made.ok || Buffer.compare(made.value, target) === 0).toBe(true);
    }
    for (let i = 0; i < 100; i++)
      expect(applyDelta(delta.subarray(0, random.below(delta.length)), base).ok).toBe(false);
    expect(applyDelta(new Uint8Array(headBytes).fill(1), base).ok).toBe(false);
  });

  it('that claims more than memory may hold is refused before it is held', () => {
    const deltaOf = (plan: Uint8Array, structure = new Uint8Array(), quality = 9) => {
      const parts = [plan, structure].map((bytes) =>
        brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: quality } }),
      );
      const head = new Uint8Array(encodeDelta(new Uint8Array()).subarray(0, headBytes));
      for (const [i, { length }] of parts.entries())
        new DataView(head.buffer).setUint32(headBytes - 8 + 4 * i, length, true);
      return Buffer.concat([head, ...parts]);
    };
    const claim = (targetBytes: number) => protobuf.Writer.create().uint32(targetBytes);
    const refusalOf = (delta: Uint8Array) => {
      const made = applyDelta(delta);
      return made.ok ? 'made' : made.error.code;
    };
    expect(
      refusalOf(
        deltaOf(
          claim(deltaTargetBytesMax + 1)
            .uint32(0)
            .finish(),
        ),
      ),
    ).toBe('too_large');
    const bomb = new Uint8Array(70_000_000);
    expect(refusalOf(deltaOf(bomb, undefined, 1))).toBe('malformed_message');
    const small = claim(10).uint32(0).finish();
    expect(refusalOf(deltaOf(small, bomb, 1))).toBe('malformed_message');
    // A million tensors of no bytes, each with tables.
    const many = claim(10).uint32(1_000_000);
    for (let i = 0; i < 1_000_000; i++) many.uint32(3).uint32(0);
    expect(refusalOf(deltaOf(many.finish()))).toBe('malformed_message');
  });
});

describe('deltas apart', () => {
  it('come from a worker, and end with whoever wanted them', async () => {
    const target = trained(0.2);
    const { signal } = new AbortController();
    const delta = await makeDelta(target, base, signal);
    if (!delta.ok) throw new Error(delta.error.message);
    const made = await applyDeltaApart(delta.value, base, signal);
    expect(made.ok && Buffer.compare(made.value, target)).toBe(0);
    expect(await applyDeltaApart(delta.value, undefined, signal)).toMatchObject({
      error: { code: 'digest_mismatch' },
    });
    const leaving = new AbortController();
    const unwanted = makeDelta(target, base, leaving.signal);
    leaving.abort();
    expect(await unwanted).toMatchObject({ error: { code: 'unavailable' } });
  });
});

describe('the ranges of tensors', () => {
  it('are where their bytes lie', () => {
    const ranges = tensorRanges(base);
    expect(ranges.map(({ name }) => name)).toEqual(model.graph.initializer.map(({ name }) => name));
    for (const [i, { offset, length }] of ranges.entries())
      expect(base.subarray(offset, offset + length)).toEqual(
        Buffer.from(model.graph.initializer[i]?.rawData ?? []),
      );
  });

  it('are none in what is no model', () => {
    expect(tensorRanges(new Uint8Array([255, 255, 255, 255, 255]))).toEqual([]);
  });
});

describe('numbers', () => {
  const someNumbers = (element: Element) =>
    fc.uint8Array({ minLength: 0, maxLength: 400 }).map((bytes) => {
      const width = elementBytes[element];
      return numbersOf(bytes.subarray(0, bytes.length - (bytes.length % width)), element);
    });

  it.each(elements)('of %s come back from every difference', (element) => {
    fc.assert(
      fc.property(someNumbers(element), someNumbers(element), (a, b) => {
        const length = Math.min(a.length, b.length);
        const [target, from] = [a.slice(0, length), b.slice(0, length)];
        for (const transform of ['plain', 'subtract', 'xor'] as const) {
          const numbers = target.slice();
          difference(numbers, from, element, transform);
          restore(numbers, from, element, transform);
          expect(numbers).toEqual(target);
        }
      }),
    );
  });

  it('of floats that are neighbours differ by little, over an exponent and over zero', () => {
    const bits = (value: number) =>
      numbersOf(new Uint8Array(Float32Array.of(value).buffer), 'float32');
    const differ = (to: number, from: number) => {
      const numbers = bits(to);
      difference(numbers, bits(from), 'float32', 'subtract');
      return numbers[0];
    };
    expect(differ(2, 1.9999999)).toBe(2);
    expect(differ(1.9999999, 2)).toBe(1);
    expect(differ(0, -0)).toBe(2);
  });

  it.each([1, 2, 4] as const)('of %i bytes come back from the coder', (width) => {
    const make = (length: number): Numbers =>
      new (({ 1: Uint8Array, 2: Uint16Array, 4: Uint32Array }) as const)[width](length);
    const random = createRandom(5);
    for (const spread of [0, 1, 6, 13, 31])
      for (const rowElements of [1, 7, 64]) {
        const numbers = make(3_000).map(() => Math.floor(2 ** (random.next() * spread)) - 1);
        const planes = encodeTensor(numbers, rowElements);
        const decoded = make(numbers.length);
        expect(decodeTensor(planes, decoded, rowElements)).toBe(true);
        expect(decoded).toEqual(numbers);
      }
  });
});
