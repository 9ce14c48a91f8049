import { unwrap } from '@skerry/shared/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createNodeCryptography } from '../../node/index.ts';
import { plainSum, sampleSecurePlan } from '../../testing/index.ts';
import { addMask, addPacked, maskedBytes, packWords, wordsOfPlan } from './masked-words.ts';
import { dequantiseSum, quantiseInput, quantiseValue, weightOf } from './quantise-input.ts';
import {
  gridEncoding,
  noisedEncoding,
  type SecurePlan,
  securePlanSchema,
  sumFits,
} from './secure-plan.ts';

const cryptography = createNodeCryptography();
const input = (plan: SecurePlan, values: ArrayLike<number>, examples: number): Uint32Array =>
  unwrap(quantiseInput(plan, Float32Array.from(values), examples, cryptography)).words;
const isPlan = (plan: SecurePlan): boolean => securePlanSchema.safeParse(plan).success;

describe('values', () => {
  it('[SEC3] become levels as published: range 8, 2²² levels', () => {
    const grid = { range: 8, levels: 2 ** 22 };
    const published = { '-8': 0, '-1': 1835008, '0': 2097152, '0.5': 2228224, '8': 4194304 };
    for (const [value, level] of Object.entries(published))
      for (const uniform of [0, 0.5, 1 - 2 ** -32])
        expect(quantiseValue(Number(value), grid, uniform)).toBe(level);
    expect(quantiseValue(1e9, grid, 0.999)).toBe(4194304);
    expect(quantiseValue(-1e9, grid, 0)).toBe(0);
  });

  it('[SEC3] between two levels become the upper one as often as makes the mean exact', () => {
    const plan = sampleSecurePlan({ values: 40_000, range: 1, levels: 10, weightMax: 1 });
    const words = input(plan, new Float32Array(plan.values).fill(0.13), 1); // Level 5.65.
    const levels = words.subarray(2);
    expect(new Set(levels)).toEqual(new Set([5, 6]));
    const mean = levels.reduce((sum, level) => sum + level, 0) / levels.length;
    expect(Math.abs(mean - 5.65)).toBeLessThan(6 * (0.477 / Math.sqrt(plan.values)));
  });

  it('[SEC3] weigh by examples without a coarser grid', () => {
    const plan = sampleSecurePlan();
    expect([1, 14, 15, 95, 1_000].map((examples) => weightOf(examples, plan.encoding))).toEqual([
      1, 1, 2, 10, 10,
    ]);
    const step = (2 * plan.encoding.range) / plan.encoding.levels;
    const light = input(plan, new Float32Array(8).fill(step), 10);
    const heavy = input(plan, new Float32Array(8).fill(step), 100);
    const levelOfZero = plan.encoding.levels / 2;
    expect([...light.subarray(0, 3)]).toEqual([1, 10, levelOfZero + 1]);
    expect([...heavy.subarray(0, 3)]).toEqual([10, 100, 10 * (levelOfZero + 1)]);
    const sum = Uint32Array.from(plainSum([light, heavy]));
    const opened = unwrap(dequantiseSum(plan, sum, 2));
    expect(opened).toMatchObject({ weight: 11, examples: 110 });
    for (const mean of opened.mean) expect(mean).toBeCloseTo(step, 12);
  });

  it('[SEC3] that are not finite, and examples that a plan does not allow, are refused', () => {
    const plan = sampleSecurePlan();
    const refused = (values: ArrayLike<number>, examples: number): boolean =>
      !quantiseInput(plan, Float32Array.from(values), examples, cryptography).ok;
    const zeros = [0, 0, 0, 0, 0, 0, 0, 0];
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
      expect(refused([...zeros.slice(1), bad], 10)).toBe(true);
    for (const examples of [0, -1, 1.5, 1_001, Number.NaN])
      expect(refused(zeros, examples)).toBe(true);
    expect(refused(zeros.slice(1), 10)).toBe(true);
    expect(refused(zeros, 1_000)).toBe(false);
  });

  it('[SEC3] that lie outside the range are clipped, and how many is told', () => {
    const plan = sampleSecurePlan();
    const update = Float32Array.of(3, -3, 2, -2, 0, 0, 0, 0);
    const { clippedShare, words } = unwrap(quantiseInput(plan, update, 10, cryptography));
    expect(clippedShare).toBe(2 / 8);
    expect([...words.subarray(2, 6)]).toEqual([plan.encoding.levels, 0, plan.encoding.levels, 0]);
  });
});

describe('an update with noise', () => {
  const room = { clientsMax: 6, ringBits: 32 } as const;
  const encoding = unwrap(noisedEncoding({ clip: 1, noiseMultiplier: 0.5, honestMin: 4 }, room));
  const plan: SecurePlan = {
    ...sampleSecurePlan({ values: 20_000, thresholdMin: 4 }),
    encoding,
  };

  it('[SEC14] is clipped, weighs as any other, and its sum has the noise of all', () => {
    expect(isPlan(plan)).toBe(true);
    const direction = 1 / Math.sqrt(plan.values);
    const inputs = [1, 2, 3, 4].map((length) => {
      const update = new Float32Array(plan.values).fill(length * direction);
      const { words, clippedShare } = unwrap(
        quantiseInput(plan, update, 10 * length, cryptography),
      );
      expect([words[0], words[1], clippedShare]).toEqual([1, 1, length > 1 ? 1 : 0]);
      return words;
    });
    const sum = new Uint32Array(wordsOfPlan(plan));
    for (const words of inputs) unwrap(addPacked(sum, packWords(words, 32), plan));
    const { mean, weight, examples } = unwrap(dequantiseSum(plan, sum, 4));
    expect([weight, examples]).toEqual([4, 4]);
    // Four of norm 1, and noise of 0.5: σ of the mean is 0.125, by χ² of 20 000 values within 6.5 deviations.
    const squares = mean.reduce((total, x) => total + (x - direction) ** 2, 0) / plan.values;
    expect(Math.abs(squares / 0.125 ** 2 - 1)).toBeLessThan(6.5 * Math.sqrt(2 / plan.values));
    expect(dequantiseSum(plan, sum, 3).ok).toBe(false);
  });

  it('[SEC14] has room for its noise, or the plan is none', () => {
    expect(isPlan({ ...plan, encoding: { ...encoding, steps: encoding.steps * 2 } })).toBe(false);
    expect(isPlan({ ...plan, encoding: { ...encoding, honestMin: 7 } })).toBe(false);
    // A sum of three may be opened, and four are counted on for its noise.
    expect(isPlan({ ...plan, thresholdMin: 3 })).toBe(false);
    expect(isPlan({ ...plan, ringBits: 24 })).toBe(false);
    const little = { ...encoding, noiseMultiplier: 0.1 };
    expect(noisedEncoding(little, { clientsMax: 6, ringBits: 8 })).toMatchObject({ ok: false });
  });

  it('[SEC14] that is not finite is refused', () => {
    const update = new Float32Array(plan.values);
    update[9] = Number.NaN;
    expect(quantiseInput(plan, update, 10, cryptography)).toMatchObject({
      error: { code: 'invalid_argument' },
    });
  });
});

describe('a mask', () => {
  it('[SEC8] is the keystream’s words, added by one of a pair and taken away by the other', () => {
    const key = new Uint8Array(32).fill(0x31);
    const next = cryptography.keystream(key)(8);
    const stream = new DataView(next.buffer, next.byteOffset);
    const words = Uint32Array.of(5, 0xffffffff);
    addMask(words, key, 1, cryptography);
    const masked = [5, 0xffffffff].map((word, i) => (word + stream.getUint32(4 * i, true)) >>> 0);
    expect([...words]).toEqual(masked);
    addMask(words, key, -1, cryptography);
    expect([...words]).toEqual([5, 0xffffffff]);
    const long = new Uint32Array(40_001).fill(7);
    for (const sign of [1, -1] as const) addMask(long, key, sign, cryptography);
    expect(long.every((word) => word === 7)).toBe(true);
  });
});

describe('the ring', () => {
  it('[SEC3] has room for every client at its most, strictly', () => {
    // 2²² levels: 1023 clients fit; at 1024, all at +range, the sum would be 2³² and come out as 0.
    const { encoding } = sampleSecurePlan({ weightMax: 1, levels: 2 ** 22 });
    const plan = { encoding, examplesMax: 1, ringBits: 32 };
    expect(sumFits({ ...plan, clientsMax: 1023 })).toBe(true);
    expect(sumFits({ ...plan, clientsMax: 1024 })).toBe(false);
    expect(isPlan(sampleSecurePlan({ clientsMax: 64, weightMax: 16, levels: 2 ** 22 }))).toBe(
      false,
    );
    expect(isPlan(sampleSecurePlan({ clientsMax: 64, weightMax: 15, levels: 2 ** 22 }))).toBe(true);
    expect(isPlan(sampleSecurePlan({ examplesMax: 2 ** 30 }))).toBe(false);
    for (const ringBits of [8, 16, 24, 32] as const) {
      const room = { clientsMax: 5, ringBits };
      const { levels } = gridEncoding({ range: 2, weightMax: 3, examplesMax: 1_000 }, room);
      const tight = sampleSecurePlan({ clientsMax: 5, weightMax: 3, ringBits, levels });
      expect(isPlan(tight)).toBe(true);
      expect(isPlan(sampleSecurePlan({ ...room, weightMax: 3, levels: levels + 1 }))).toBe(false);
      const inputs = Array.from({ length: 5 }, () => input(tight, Array(8).fill(9), 1_000));
      const sum = new Uint32Array(wordsOfPlan(tight));
      for (const words of inputs) unwrap(addPacked(sum, packWords(words, ringBits), tight));
      expect([...unwrap(dequantiseSum(tight, sum, 5)).mean]).toEqual(Array(8).fill(2));
    }
  });

  it('[SEC3] carries its low bits alone, and they are all that a sum needs', () => {
    for (const ringBits of [8, 16, 24, 32] as const)
      fc.assert(
        fc.property(
          fc.array(fc.uint8Array({ minLength: 40, maxLength: 40 }), { minLength: 1, maxLength: 4 }),
          (drawn) => {
            const plan = sampleSecurePlan({ ringBits, levels: 1 });
            const words = drawn.map((bytes) => new Uint32Array(bytes.slice().buffer));
            const packed = words.map((of) => packWords(of, ringBits));
            const sum = new Uint32Array(wordsOfPlan(plan));
            for (const bytes of packed) {
              expect(bytes).toHaveLength(maskedBytes(plan));
              unwrap(addPacked(sum, bytes, plan));
            }
            const modulus = 2 ** ringBits;
            const exact = plainSum(words).map((word, i) => word % (i < 2 ? 2 ** 32 : modulus));
            expect([...sum].map((word, i) => word % (i < 2 ? 2 ** 32 : modulus))).toEqual(exact);
          },
        ),
        { numRuns: 25 },
      );
  });

  it('[SEC3] refuses a vector of another length', () => {
    const plan = sampleSecurePlan();
    const sum = new Uint32Array(wordsOfPlan(plan));
    for (const length of [0, maskedBytes(plan) - 4, maskedBytes(plan) + 4])
      expect(addPacked(sum, new Uint8Array(length), plan)).toMatchObject({ ok: false });
  });

  it('[SEC3] a sum that no clients of the plan could have is refused', () => {
    const plan = sampleSecurePlan();
    const good = input(plan, Array(8).fill(1), 100);
    expect(dequantiseSum(plan, good, 1)).toMatchObject({ ok: true });
    const bad = (change: (words: Uint32Array) => void): boolean => {
      const words = good.slice();
      change(words);
      return dequantiseSum(plan, words, 1).ok;
    };
    expect(bad((words) => words.set([0], 0))).toBe(false);
    expect(bad((words) => words.set([11], 0))).toBe(false);
    expect(bad((words) => words.set([0], 1))).toBe(false);
    expect(bad((words) => words.set([1_001], 1))).toBe(false);
    expect(bad((words) => words.set([10 * plan.encoding.levels + 1], 5))).toBe(false);
    expect(dequantiseSum(plan, good, 101).ok).toBe(false);
  });
});
