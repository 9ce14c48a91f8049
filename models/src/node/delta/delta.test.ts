import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';
import { createRandom, defined } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import fc from 'fast-check';
import protobuf from 'protobufjs/minimal.js';
import { beforeAll, describe, expect, it } from 'vitest';
import { decodeModel, encodeModel, type ModelProto, type TensorProto } from '../../onnx/index.ts';
import { zooDirectory } from '../read-bundle.ts';
import { applyDelta } from './apply-delta.ts';
import { openCoder } from './coder.ts';
import { coderWat } from './coder-wat.ts';
import { applyDeltaApart, openDeltaMaker } from './delta-apart.ts';
import { deltaTargetBytesMax, headBytes } from './delta-format.ts';
import { numbersOf, restore } from './difference.ts';
import { encodeDelta } from './encode-delta.ts';
import { encodedStates } from './rans.ts';
import { createTensorDecoder } from './tensor-decoder.ts';
import { createTensorEncoder } from './tensor-encoder.ts';
import { type Element, elementBytes, tensorRanges } from './tensor-ranges.ts';

const elements = Object.keys(elementBytes) as Element[];

/** Made before deltas began with 'SKD2'. */
const olderDelta =
  'U0tEMeYx+Qi/xS0xkBG/4zGeT1A0YoGgKz2pJd5zx6mq745ZsFegTWJW/efJif2vZN+/dCdBT6AgEdTcG+u66BINvNU7AAAAAgAAAEHUAASHFgIAFwEAA/AVAQAAIwEAAAJ4AgHZPgGnQQMDuD4BuD4BkAMEAdsBBNYoAecqAegqAAAAAAADwQEAAE/GSO0BvXLocLXIwH7e08JkFk1l0+9+3tPCZBZNZdPvft7TwmQWTWXT737e08JkFk1l0+9+3tPCZBZNZdPvft7TwmQWTWXT737e08JkFk1l0+9+3tPCZBZNZdPvft7TwmQWTWXT737e08JkFk1lmuubGaoIuc4=';

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

  it('of an older coordinator, whose planes one state has coded, makes the same', () => {
    const of = (weight: (i: number) => number): Uint8Array => {
      const rawData = new Uint8Array(
        Float32Array.from({ length: 700 }, (_, i) => weight(i)).buffer,
      );
      const initializer = [{ name: 'w', dims: [20n, 35n], dataType: 1, rawData }];
      const graph = { name: 'g', node: [], input: [], output: [], valueInfo: [], initializer };
      return encodeModel({ irVersion: 8n, opsetImport: [], graph });
    };
    const from = of((i) => 1 + i / 1_024);
    const to = of((i) => 1 + i / 1_024 + (i % 7) / 65_536);
    const made = applyDelta(Buffer.from(olderDelta, 'base64'), from);
    expect(made.ok && Buffer.compare(made.value, to)).toBe(0);
  });

  it('with digests that are known needs none made, and with wrong ones makes nothing', () => {
    const target = trained(0.2);
    const digests = { target: sha256(target), base: sha256(base) };
    const delta = encodeDelta(target, base, digests);
    expect(Buffer.compare(delta, encodeDelta(target, base))).toBe(0);
    const wrong = encodeDelta(target, base, { ...digests, target: sha256(base) });
    expect(applyDelta(wrong, base)).toMatchObject({ error: { code: 'digest_mismatch' } });
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
  it('come from a worker, one after the other, and end with whoever wanted them', async () => {
    const target = trained(0.2);
    const digests = { target: sha256(target), base: sha256(base) };
    const { signal } = new AbortController();
    const maker = openDeltaMaker();
    const [delta, again] = [
      await maker.make(target, base, digests, signal),
      await maker.make(target, base, digests, signal),
    ];
    if (!delta.ok) throw new Error(delta.error.message);
    expect(again.ok && Buffer.compare(again.value, delta.value)).toBe(0);
    const made = await applyDeltaApart(delta.value, base, signal);
    expect(made.ok && Buffer.compare(made.value, target)).toBe(0);
    expect(await applyDeltaApart(delta.value, undefined, signal)).toMatchObject({
      error: { code: 'digest_mismatch' },
    });
    const leaving = new AbortController();
    const unwanted = maker.make(target, base, digests, leaving.signal);
    leaving.abort();
    expect(await unwanted).toMatchObject({ error: { code: 'unavailable' } });
    expect((await maker.make(target, base, digests, signal)).ok).toBe(true);
    maker.close();
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

describe('a tensor', () => {
  const encode = createTensorEncoder(openCoder());
  const decode = createTensorDecoder(encodedStates);
  const rowElements = 7;

  /** As it comes back, and what it was set against. */
  const roundTrip = (target: Uint8Array, base: Uint8Array | undefined, element: Element) => {
    const { transform, planes } = encode(target, base, element, rowElements);
    const elements = target.length / elementBytes[element];
    const decoded = defined(decode(planes, elements, rowElements), 'numbers').slice();
    const numbers = numbersOf(decoded, element);
    restore(numbers, base && numbersOf(base, element), element, transform);
    // A difference of thousands of bytes would be printed for minutes.
    expect(Buffer.compare(new Uint8Array(numbers.buffer), target)).toBe(0);
    return { transform, decoded };
  };

  const random = createRandom(9);
  const length = 4 * 12_001;
  const noise = Uint8Array.from({ length }, () => random.below(256));
  const little = noise.map(() => random.below(3));

  it.each(elements)('of %s comes back, by the transform that makes it small', (element) => {
    const width = elementBytes[element];
    const moved = numbersOf(noise, element).map((n, i) => n + (little[i] as number));
    const turned = noise.map((byte, i) => (i % width === width - 1 ? byte ^ 0x20 : byte));
    const quiet = numbersOf(noise, element).map((_, i) => little[i] as number);
    const cases = [
      { target: new Uint8Array(moved.buffer), best: 'subtract' },
      { target: turned, best: 'xor' },
      { target: new Uint8Array(quiet.buffer), best: 'plain' },
    ];
    for (const { target, best } of cases)
      expect(roundTrip(target, noise, element).transform).toBe(best);
    expect(roundTrip(noise, undefined, element).transform).toBe('plain');
  });

  it('comes back whatever its length and its row, and whatever lay in the memory before', () => {
    for (const elements of [1, 2, 3, 5, 16, 17, 8_191, 8_193, 12_000])
      for (const element of ['float32', 'int16', 'int8'] as const) {
        const bytes = elements * elementBytes[element];
        roundTrip(noise.slice(0, bytes), little.slice(0, bytes), element);
        roundTrip(little.slice(0, bytes), undefined, element);
      }
    const { planes } = encode(little, undefined, 'int8', length + 1);
    expect(decode(planes, length, length + 1)?.length).toBe(length);
  });

  it('of floats that are neighbours differ by little, over an exponent and over zero', () => {
    const base = Float32Array.from({ length: 600 }, () => 1 + random.next());
    const target = base.map((value) => value + 2 ** -22);
    const [to, from] = [
      [2, 1.9999999, 0],
      [1.9999999, 2, -0],
    ] as const;
    target.set(to);
    base.set(from);
    const bytesOf = (numbers: Float32Array<ArrayBuffer>) => new Uint8Array(numbers.buffer);
    const { transform, decoded } = roundTrip(bytesOf(target), bytesOf(base), 'float32');
    expect(transform).toBe('subtract');
    expect([...numbersOf(decoded, 'float32').subarray(0, to.length)]).toEqual([2, 1, 2]);
  });

  it('whose planes hold too little is none', () => {
    const { planes } = encode(little, noise, 'float32', rowElements);
    const cut = planes.map((plane) =>
      plane.kind === 'zero' ? plane : { ...plane, bytes: plane.bytes.subarray(0, 20) },
    );
    expect(decode(cut, length / 4, rowElements)).toBe(undefined);
  });
});

describe('the coder', () => {
  it('is what its text says: `npx vitest run models/src/node/delta -u` writes it anew', async () => {
    const { default: openWabt } = await import('wabt');
    const wabt = await openWabt();
    const module = wabt.parseWat('coder.wat', coderWat, { simd: true, bulk_memory: true });
    module.validate();
    const base64 = Buffer.from(module.toBinary({}).buffer).toString('base64');
    await expect(
      `// What coder-wat.ts says, as a machine reads it: delta.test.ts compares the two, and writes this file.

export const coderBytes = Buffer.from(
  '${base64}',
  'base64',
);
`,
    ).toMatchFileSnapshot('coder-wasm.ts');
  });
});
