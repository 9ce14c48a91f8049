import { createRandom } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ParameterLayout } from './parameter-layout.ts';
import type { Compression } from './plan.ts';
import { decodeUpdate, encodeUpdate, keptOf, updateBytesMax } from './update-codec.ts';

const layout: ParameterLayout = {
  tensors: [
    { name: 'weights', shape: [3, 5] },
    { name: 'bias', shape: [5] },
    { name: 'scale', shape: [] },
  ],
};
const size = 21;
const bits = [8, 4, 2] as const;
const compressions: readonly Compression[] = [
  { kind: 'none' },
  ...bits.map((each) => ({ kind: 'quantize' as const, bits: each })),
  { kind: 'top-k', share: 0.25, errorFeedback: true },
  { kind: 'top-k', share: 1, errorFeedback: false },
];
const nameOf = (compression: Compression) => Object.values(compression).join(' ');
const schemeOf = (c: Compression) => (c.kind === 'quantize' ? c.bits : c.kind);
const cases = compressions.map((compression) => [nameOf(compression), compression] as const);

const update = fc
  .array(
    fc.oneof(
      { weight: 5, arbitrary: fc.float({ noNaN: true, noDefaultInfinity: true, min: -4, max: 4 }) },
      fc.float({ noNaN: true, noDefaultInfinity: true, min: -(2 ** 120), max: 2 ** 120 }),
      fc.constant(0),
    ),
    { minLength: size, maxLength: size },
  )
  .map((values) => Float32Array.from(values));
const encode = (delta: Float32Array, compression: Compression, seed = 1, residual?: Float32Array) =>
  unwrap(encodeUpdate(layout, compression, delta, { random: createRandom(seed), residual }));
const decode = (bytes: Uint8Array, compression: Compression) =>
  decodeUpdate(layout, compression, bytes);
const there = (delta: Float32Array, compression: Compression, seed = 1) =>
  unwrap(decode(encode(delta, compression, seed).bytes, compression));

describe('an update in bytes', () => {
  it('[CMP1] comes back to the bit where nothing is compressed', () => {
    fc.assert(
      fc.property(update, (delta) => {
        expect(there(delta, { kind: 'none' })).toEqual(delta);
        // Of top-k all numbers, but a −0 is a 0.
        const all = there(delta, { kind: 'top-k', share: 1, errorFeedback: false });
        expect(all).toEqual(delta.map((value) => value + 0));
      }),
    );
  });

  it.each(bits)(
    '[CMP1] of %i bits is off by less than one step of its tensor’s largest',
    (width) => {
      const levels = 2 ** (width - 1) - 1;
      fc.assert(
        fc.property(update, fc.nat(), (delta, seed) => {
          const back = there(delta, { kind: 'quantize', bits: width }, seed);
          for (const [from, to] of [
            [0, 15],
            [15, 20],
            [20, 21],
          ] as const) {
            const tensor = delta.subarray(from, to);
            const largest = Math.max(...tensor.map(Math.abs));
            for (let i = from; i < to; i++) {
              const off = Math.abs((back[i] as number) - (delta[i] as number));
              expect(off).toBeLessThanOrEqual((largest / levels) * (1 + 1e-6));
              // The largest itself is a level.
              if (Math.abs(delta[i] as number) === largest)
                expect(back[i]).toBe((delta[i] as number) + 0);
            }
          }
        }),
      );
    },
  );

  it.each(bits)('[CMP2] of %i bits is right on average', (width) => {
    const levels = 2 ** (width - 1) - 1;
    const delta = Float32Array.from({ length: size }, (_, i) => Math.sin(i + 1));
    const sums = new Float64Array(size);
    const rounds = 4_000;
    const random = createRandom(9);
    for (let i = 0; i < rounds; i++) {
      const { bytes } = unwrap(
        encodeUpdate(layout, { kind: 'quantize', bits: width }, delta, { random }),
      );
      for (const [k, value] of unwrap(decode(bytes, { kind: 'quantize', bits: width })).entries())
        sums[k] = (sums[k] as number) + value;
    }
    // A number between two levels deviates by half a step at most; five standard errors of it.
    const bound = (5 * 0.5) / levels / Math.sqrt(rounds);
    for (const [k, sum] of sums.entries())
      expect(Math.abs(sum / rounds - (delta[k] as number))).toBeLessThan(bound);
    // To the nearest instead would be off by more.
    if (width === 2)
      expect(Math.abs(Math.round(delta[2] as number) - (delta[2] as number))).toBeGreaterThan(
        bound,
      );
  });

  it('[CMP2] of 2 bits is a sixteenth of float32, of top-k what it says', () => {
    const long: ParameterLayout = { tensors: [{ name: 'w', shape: [100, 100] }] };
    const random = createRandom(2);
    const delta = Float32Array.from({ length: 10_000 }, () => random.gaussian());
    const bytesOf = (compression: Compression) =>
      unwrap(encodeUpdate(long, compression, delta, { random })).bytes.length;
    expect(bytesOf({ kind: 'none' })).toBe(40_006);
    expect(bytesOf({ kind: 'quantize', bits: 8 })).toBe(10_010);
    expect(bytesOf({ kind: 'quantize', bits: 4 })).toBe(5_010);
    expect(bytesOf({ kind: 'quantize', bits: 2 })).toBe(2_510);
    expect(bytesOf({ kind: 'top-k', share: 0.01, errorFeedback: true })).toBeLessThan(700);
  });

  it('[CMP2] is the same bytes for the same seed', () => {
    const delta = Float32Array.from({ length: size }, (_, i) => Math.sin(i));
    const compression = { kind: 'quantize', bits: 4 } as const;
    expect(encode(delta, compression, 7)).toEqual(encode(delta, compression, 7));
    expect(encode(delta, compression, 7)).not.toEqual(encode(delta, compression, 8));
  });

  it('[CMP3] of top-k has the largest, and what it left out comes with the next', () => {
    const compression = { kind: 'top-k', share: 0.25, errorFeedback: true } as const;
    fc.assert(
      fc.property(
        fc.array(
          fc.array(fc.integer({ min: -999, max: 999 }), { minLength: size, maxLength: size }),
          {
            minLength: 1,
            maxLength: 8,
          },
        ),
        (rounds) => {
          const wanted = new Float64Array(size);
          const arrived = new Float64Array(size);
          let residual: Float32Array | undefined;
          for (const round of rounds) {
            const delta = Float32Array.from(round);
            const sent = encode(delta, compression, 1, residual);
            const got = unwrap(decode(sent.bytes, compression));
            residual = sent.residual;
            expect(got.filter((value) => value !== 0).length).toBeLessThanOrEqual(6);
            for (let i = 0; i < size; i++) {
              wanted[i] = (wanted[i] as number) + (delta[i] as number);
              arrived[i] = (arrived[i] as number) + (got[i] as number);
            }
            // What came is as large as anything that did not.
            const least = Math.min(...got.filter((value) => value !== 0).map(Math.abs));
            expect(Math.max(0, ...(residual ?? []).map(Math.abs))).toBeLessThanOrEqual(least);
          }
          for (let i = 0; i < size; i++)
            expect((arrived[i] as number) + (residual?.[i] ?? 0)).toBe(wanted[i]);
        },
      ),
    );
  });

  it('[CMP3] without error feedback keeps nothing and forgets what it was given', () => {
    const compression = { kind: 'top-k', share: 0.1, errorFeedback: false } as const;
    const delta = Float32Array.from({ length: size }, (_, i) => i);
    const sent = encode(delta, compression, 1, new Float32Array(size).fill(1e6));
    expect(sent.residual).toBeUndefined();
    expect([...unwrap(decode(sent.bytes, compression))].filter((value) => value !== 0)).toEqual([
      18, 19, 20,
    ]);
    expect(keptOf(size, 0.1)).toBe(3);
    expect(keptOf(size, 1e-9)).toBe(1);
  });

  it.each(cases)('[CMP4] of %s with a number that is none is not sent', (_, compression) => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const delta = new Float32Array(size).fill(1);
      delta[7] = bad;
      const sent = encodeUpdate(layout, compression, delta, { random: createRandom(1) });
      expect(sent).toMatchObject({ ok: false, error: { code: 'invalid_argument' } });
    }
    const short = encodeUpdate(layout, compression, new Float32Array(size - 1), {
      random: createRandom(1),
    });
    expect(short).toMatchObject({ ok: false, error: { code: 'invalid_argument' } });
  });

  it('[CMP4] a residual of another layout, or one that makes it infinite, is refused', () => {
    const compression = { kind: 'top-k', share: 0.1, errorFeedback: true } as const;
    for (const residual of [new Float32Array(3), new Float32Array(size).fill(3e38)])
      expect(
        encodeUpdate(layout, compression, new Float32Array(size).fill(3e38), {
          random: createRandom(1),
          residual,
        }),
      ).toMatchObject({ ok: false, error: { code: 'invalid_argument' } });
  });
});

describe('a decoder of updates', () => {
  const delta = Float32Array.from({ length: size }, (_, i) => Math.sin(i + 1));

  it.each(cases)(
    '[CMP4] of %s takes no bytes but those that an encoder makes',
    (_, compression) => {
      const { bytes } = encode(delta, compression);
      for (let cut = 0; cut < bytes.length; cut++)
        expect(decode(bytes.subarray(0, cut), compression).ok).toBe(false);
      expect(decode(Uint8Array.of(...bytes, 0), compression).ok).toBe(false);
      for (const [i, other] of [
        [0, 2],
        [1, 99],
        [2, 22],
        [5, 255],
      ] as const) {
        const changed = bytes.slice();
        changed[i] = other;
        expect(decode(changed, compression)).toMatchObject({
          error: { code: 'malformed_message' },
        });
      }
      for (const other of compressions)
        if (schemeOf(other) !== schemeOf(compression)) expect(decode(bytes, other).ok).toBe(false);
    },
  );

  it.each(cases)(
    '[CMP4] of %s survives any bytes, and what it takes is finite',
    (_, compression) => {
      const { bytes } = encode(delta, compression);
      fc.assert(
        fc.property(
          fc.uint8Array({ maxLength: 2 * bytes.length }),
          fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 4 }),
          (noise, changes) => {
            const behindHead = Uint8Array.of(...bytes.subarray(0, 6), ...noise);
            const changed = bytes.slice();
            for (const [i, value] of changes) changed[i] = value;
            for (const hostile of [noise, behindHead, changed]) {
              const back = decode(hostile, compression);
              if (!back.ok) continue;
              expect(back.value).toHaveLength(size);
              expect(back.value.every(Number.isFinite)).toBe(true);
            }
          },
        ),
        { numRuns: 300 },
      );
    },
  );

  it('[CMP4] takes one form of each vector', () => {
    const compression = { kind: 'top-k', share: 1, errorFeedback: false } as const;
    const { bytes } = encode(new Float32Array(size).fill(0, 1).fill(5, 0, 1), compression);
    // One number, index 0: a gap in two bytes, a number that is 0, and indices behind the end.
    expect([...bytes.subarray(6)]).toEqual([1, 0, 0, 0, 0, 0, 0, 160, 64]);
    const with_ = (...body: number[]) =>
      decode(Uint8Array.of(...bytes.subarray(0, 6), ...body), compression).ok;
    expect(with_(1, 0, 0, 0, 0, 0, 0, 160, 64)).toBe(true);
    expect(with_(1, 0, 0, 0, 128, 0, 0, 0, 160, 64)).toBe(false);
    expect(with_(1, 0, 0, 0, 0, 0, 0, 0, 0)).toBe(false);
    expect(with_(1, 0, 0, 0, 21, 0, 0, 160, 64)).toBe(false);
    expect(with_(1, 0, 0, 0, 255, 255, 255, 255, 127, 0, 0, 160, 64)).toBe(false);
    expect(with_(22, 0, 0, 0)).toBe(false);
    expect(with_(255, 255, 255, 255)).toBe(false);

    // As many as the plan's share, and no more.
    const all = encode(new Float32Array(size).fill(1), compression).bytes;
    const few = { kind: 'top-k', share: 0.25, errorFeedback: false } as const;
    expect(decode(encode(new Float32Array(size).fill(1), few).bytes, few).ok).toBe(true);
    expect(decode(all.slice(0, updateBytesMax(layout, few)), few)).toMatchObject({
      error: { message: 'at most 6 numbers; found 21' },
    });

    const ternary = { kind: 'quantize', bits: 2 } as const;
    const zeros = encode(new Float32Array(size), ternary).bytes;
    expect(zeros).toHaveLength(6 + 3 * 4);
    const scaled = encode(new Float32Array(size).fill(1), ternary).bytes;
    // 15 codes of 2 bits: the last two bits of the fourth byte are no number's.
    expect(scaled[13]).toBe(0b00_10_10_10);
    for (const [i, value] of [
      [13, 0b01_10_10_10],
      [13, 0b00_11_10_10],
      [9, 0xff],
    ] as const) {
      const changed = scaled.slice();
      changed[i] = value;
      expect(decode(changed, ternary).ok).toBe(false);
    }
    const negativeZero = zeros.slice();
    negativeZero[9] = 0x80;
    expect(decode(negativeZero, ternary).ok).toBe(false);
  });

  it.each(cases)('[CMP4] of %s bounds the bytes before it reads them', (_, compression) => {
    const bytesMax = updateBytesMax(layout, compression);
    const { bytes } = encode(new Float32Array(size).fill(1), compression);
    expect(bytes.length).toBeLessThanOrEqual(bytesMax);
    expect(decode(new Uint8Array(bytesMax + 1), compression)).toMatchObject({
      error: { code: 'too_large' },
    });
  });

  it('[CMP4] never makes more than the layout’s vector: a count of four thousand million costs nothing', () => {
    const huge: ParameterLayout = { tensors: [{ name: 'w', shape: [4] }] };
    const bytes = Uint8Array.of(1, 16, 4, 0, 0, 0, 255, 255, 255, 255);
    const compression = { kind: 'top-k', share: 1, errorFeedback: false } as const;
    expect(decodeUpdate(huge, compression, bytes)).toMatchObject({
      error: { code: 'malformed_message' },
    });
  });
});
