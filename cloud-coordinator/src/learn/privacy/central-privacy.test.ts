import { createSeededBytes, unwrap } from '@skerry/shared/testing';
import { describe, expect, it } from 'vitest';
import {
  type CentralPrivacy,
  centralPrivacySchema,
  initialClip,
  mechanismOf,
  type PrivateUpdate,
  privateMean,
  sumNoiseMultiplier,
} from './central-privacy.ts';
import { samplePoisson } from './sample-poisson.ts';

const privacy = (more: Partial<CentralPrivacy> = {}): CentralPrivacy =>
  centralPrivacySchema.parse({
    noiseMultiplier: 1,
    samplingRate: 0.2,
    clients: 100,
    clip: { kind: 'fixed', norm: 0.3 },
    ...more,
  });

const mean = (plan: CentralPrivacy, size: number, updates: readonly PrivateUpdate[], seed = 1) =>
  privateMean(plan, { clip: initialClip(plan), size, updates }, createSeededBytes(seed));

const norm = (values: ArrayLike<number>): number => Math.hypot(...Array.from(values));
const update = (client: string, ...values: number[]): PrivateUpdate => ({
  client,
  delta: Float32Array.from(values),
});

describe('the private mean of a round', () => {
  it('[PRV11] has the noise that it was asked for, at three scales', () => {
    const size = 100_000;
    for (const [noiseMultiplier, clip, samplingRate] of [
      [0.5, 3, 0.1],
      [1, 0.3, 0.2],
      [4, 0.01, 0.05],
    ] as const) {
      const plan = privacy({ noiseMultiplier, samplingRate, clip: { kind: 'fixed', norm: clip } });
      const noise = unwrap(mean(plan, size, []));
      const sigma = (noiseMultiplier * clip) / (samplingRate * 100);
      expect(noise.noiseSigma).toBeCloseTo(sigma, 12);
      // A variance of n samples is within 6.5·√(2/n) of the true one but for a chance below 10⁻⁹; so is a mean.
      const variance = noise.mean.reduce((sum, x) => sum + x * x, 0) / size / sigma ** 2;
      expect(Math.abs(variance - 1)).toBeLessThan(6.5 * Math.sqrt(2 / size));
      const average = noise.mean.reduce((sum, x) => sum + x, 0) / size / sigma;
      expect(Math.abs(average)).toBeLessThan(6.5 / Math.sqrt(size));
    }
  });

  it('[PRV8] moves by a clip and no more, whatever one client sends and however many examples it claims', () => {
    const others = [update('a', 0.1, 0, 0), update('b', 0, 0.2, 0)];
    const without = unwrap(mean(privacy(), 3, others)).mean;
    for (const size of [0.001, 1, 1e6, 3e38]) {
      const claimed = { ...update('c', size, -size, size), examples: 1e9 };
      const moved = unwrap(mean(privacy(), 3, [...others, claimed])).mean;
      // Over the expected number, q·N = 20, of a clip of 0.3.
      expect(norm(moved.map((x, i) => x - (without[i] as number)))).toBeLessThanOrEqual(
        (0.3 / 20) * (1 + 1e-12),
      );
    }
  });

  it('[PRV8] is divided by how many were expected, not by how many came', () => {
    const one = update('a', 0.1, 0);
    const [none, single, twice] = [[], [one], [one, update('b', 0.1, 0)]].map(
      (updates) => unwrap(mean(privacy(), 2, updates)).mean[0] as number,
    );
    expect((single as number) - (none as number)).toBeCloseTo(0.1 / 20, 7);
    expect((twice as number) - (none as number)).toBeCloseTo(0.2 / 20, 7);
  });

  it('[PRV8] counts a client once', () => {
    expect(mean(privacy(), 1, [update('a', 1), update('a', 1)])).toMatchObject({
      error: { code: 'invalid_argument' },
    });
  });

  it('[PRV7] refuses what is not finite or of another length, and takes an update of noughts', () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
      expect(mean(privacy(), 2, [update('a', 0, bad)]).ok).toBe(false);
    expect(mean(privacy(), 3, [update('a', 0, 0)]).ok).toBe(false);
    expect(mean(privacy(), 2, [update('a', 0, 0)]).ok).toBe(true);
  });

  it('[PRV8] refuses a plan without noise, or with more than its sampler can draw', () => {
    for (const noiseMultiplier of [0, -1, 61, Number.NaN])
      expect(() => privacy({ noiseMultiplier })).toThrow();
    const clip = { kind: 'adaptive', initial: 1, countNoise: 0.9 };
    expect(centralPrivacySchema.shape.clip.safeParse(clip).success).toBe(false);
    expect(mechanismOf(privacy())).toEqual({ samplingRate: 0.2, noiseMultiplier: 1 });
  });
});

describe('an adaptive clip in a round', () => {
  const adaptive = { kind: 'adaptive', initial: 0.1, countNoise: 5 } as const;
  const plan = privacy({ clients: 5_000, clip: centralPrivacySchema.shape.clip.parse(adaptive) });

  it('[PRV9] gives the sum more noise, so that both together cost z', () => {
    expect(unwrap(sumNoiseMultiplier(plan))).toBeCloseTo(1.005037815, 9);
    expect(unwrap(sumNoiseMultiplier(privacy()))).toBe(1);
    const clip = { ...plan.clip, countNoise: 1 } as CentralPrivacy['clip'];
    const greedy = privacy({ noiseMultiplier: 3, clip });
    expect(mean(greedy, 1, []).ok).toBe(false);
  });

  it('[PRV9] follows the norms of the updates', () => {
    const updates = Array.from({ length: 1_000 }, (_, i) => update(`${i}`, 0.5 + i / 1_000));
    const bytes = createSeededBytes(3);
    let clip = initialClip(plan);
    for (let round = 0; round < 60; round++)
      clip = unwrap(privateMean(plan, { clip, size: 1, updates }, bytes)).clip;
    expect(Math.abs(clip - 1)).toBeLessThan(0.05);
  });

  it('[PRV9] is not thrown about by a round whose count is all noise', () => {
    const few = privacy({ clients: 10, clip: plan.clip });
    for (let seed = 0; seed < 20; seed++) {
      const { clip } = unwrap(mean(few, 1, [], seed));
      expect(Math.abs(Math.log(clip / 0.1))).toBeLessThanOrEqual(0.1 + 1e-12);
    }
  });
});

describe('a Poisson sample', () => {
  it('[PRV12] takes each client on its own, with the same chance', () => {
    const [clients, rounds, rate] = [200, 2_000, 0.2];
    const all = Array.from({ length: clients }, (_, i) => i);
    const bytes = createSeededBytes(5);
    const times = new Array<number>(clients).fill(0);
    const sizes = Array.from({ length: rounds }, () => {
      const sample = samplePoisson(all, rate, bytes);
      for (const client of sample) times[client] = (times[client] as number) + 1;
      return sample.length;
    });
    const spread = Math.sqrt(rounds * rate * (1 - rate));
    for (const count of times) expect(Math.abs(count - rounds * rate)).toBeLessThan(7 * spread);
    // Its size varies as a binomial's does: a sample of a fixed size would be another mechanism.
    const variance = sizes.reduce((sum, size) => sum + (size - clients * rate) ** 2, 0) / rounds;
    const expected = clients * rate * (1 - rate);
    expect(Math.abs(variance / expected - 1)).toBeLessThan(6.5 * Math.sqrt(2 / rounds));
  });

  it('[PRV12] of a rate of one is everybody, in order', () => {
    expect(samplePoisson(['a', 'b', 'c'], 1, createSeededBytes(1))).toEqual(['a', 'b', 'c']);
  });
});
