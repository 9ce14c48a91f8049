import { describe, expect, it } from 'vitest';
import { createRandom } from '../random.ts';
import { createSeededBytes } from '../testing/seeded-bytes.ts';
import { unwrap } from '../testing/unwrap.ts';
import { clipToNorm } from './clip.ts';
import {
  distributedNoise,
  noisedShare,
  noiseMultiplierOfSum,
  readNoisedSum,
  shareSigma,
} from './distributed-noise.ts';

const size = 50_000;
const plan = { clip: 0.3, noiseMultiplier: 1.5, honestMin: 7 };

/** The noise in a sum of so many clients, in multiples of the clip. */
function noiseOf(clients: number, ringBits: number) {
  const noise = unwrap(distributedNoise(plan, { clientsMax: 10, ringBits }));
  const random = createRandom(1);
  const sum = new Uint32Array(size);
  const truth = new Float64Array(size);
  for (let client = 0; client < clients; client++) {
    const update = Float32Array.from({ length: size }, () => random.gaussian());
    const words = unwrap(noisedShare(update, noise, createSeededBytes(client)));
    const clipped = unwrap(clipToNorm(update, plan.clip));
    for (let i = 0; i < size; i++) {
      sum[i] = ((sum[i] as number) + (words[i] as number)) & (2 ** ringBits - 1);
      truth[i] = (truth[i] as number) + (clipped[i] as number);
    }
  }
  const read = readNoisedSum(sum, noise, ringBits);
  const squares = read.reduce((total, x, i) => total + (x - (truth[i] as number)) ** 2, 0);
  return { noise, sigma: Math.sqrt(squares / size) / plan.clip };
}

describe('noise that clients add', () => {
  it.each([
    [7, 32],
    [10, 32],
    [10, 24],
  ])(
    '[PRV13] of %i clients in a ring of %i bits is what their number makes of it',
    (clients, bits) => {
      const { noise, sigma } = noiseOf(clients, bits);
      const counted = noiseMultiplierOfSum(noise, clients, size);
      expect(counted).toBeCloseTo(1.5 * Math.sqrt(clients / 7), 9);
      expect(Math.abs((sigma / counted) ** 2 - 1)).toBeLessThan(6.5 * Math.sqrt(2 / size));
    },
  );

  it('[PRV13] of fewer clients than were counted on is counted as less', () => {
    const noise = unwrap(distributedNoise(plan, { clientsMax: 10, ringBits: 32 }));
    expect(noiseMultiplierOfSum(noise, 3, size)).toBeLessThan(1);
    expect(noiseMultiplierOfSum(noise, 3, size)).toBeCloseTo(1.5 * Math.sqrt(3 / 7), 9);
  });

  it('[PRV13] on a coarse grid is counted as less than its variance', () => {
    const coarse = { ...plan, steps: 1 };
    expect(shareSigma(coarse)).toBeLessThan(2);
    expect(noiseMultiplierOfSum(coarse, 7, size)).toBeLessThan(0.5);
  });

  it('[PRV13] is refused where its sum would not fit the ring, and where an update is not finite', () => {
    expect(distributedNoise(plan, { clientsMax: 10, ringBits: 7 }).ok).toBe(false);
    const noise = unwrap(distributedNoise(plan, { clientsMax: 10, ringBits: 32 }));
    const most = 10 * noise.steps + 12 * plan.noiseMultiplier * noise.steps * Math.sqrt(10 / 7);
    expect(most).toBeLessThan(2 ** 31);
    expect(noisedShare(Float32Array.of(Number.NaN), noise, createSeededBytes(1)).ok).toBe(false);
  });
});
