import { createRandom, type Random } from '@skerry/shared';
import { describe, expect, it } from 'vitest';
import {
  anytimeBounds,
  countedAnswers,
  dealOut,
  exceeds,
  pairUp,
  type Seen,
  stakesPerDevice,
  toRise,
} from './anytime-bound.ts';

const delta = 0.1;
const draw = (random: Random, trials: number, chance: number): number => {
  let hits = 0;
  for (let i = 0; i < trials; i++) if (random.next() < chance) hits++;
  return hits;
};
const sum = (a: Seen, b: Seen): Seen => {
  const total = new Map(a);
  for (const [value, times] of b) total.set(value, (total.get(value) ?? 0) + times);
  return [...total];
};

/** Looks after each of `devices`, in `runs` fleets: in how many of them was harm ever shown, and after how many devices? */
function fleets(
  runs: number,
  devices: number,
  answers: number,
  rise: number,
): { alarms: number; after: readonly number[] } {
  const after: number[] = [];
  for (let seed = 0; seed < runs; seed++) {
    const random = createRandom(seed);
    let seen: Seen = [];
    for (let i = 1; i <= devices; i++) {
      // Devices differ much from each other.
      const level = 0.02 + 0.2 * random.next() ** 2;
      const candidate = { hits: draw(random, answers, level + rise), trials: answers };
      const incumbent = { hits: draw(random, 2 * answers, level), trials: 2 * answers };
      seen = sum(seen, pairUp(candidate, incumbent, 100));
      if (!exceeds(seen, 0.5, delta)) continue;
      after.push(i);
      break;
    }
  }
  return { alarms: after.length, after: after.sort((a, b) => a - b) };
}

describe('an anytime bound', () => {
  it('[GAT1] is passed by the truth in no more than delta of fleets, though one looks after each device', () => {
    const runs = 400;
    // delta of 400, and three standard deviations more; a test for one look alone errs in far more (below).
    expect(fleets(runs, 200, 20, 0).alarms).toBeLessThan(runs * delta + 18);
  });

  it('[GAT1] where a test for one look, repeated, cries wolf in a third of all', () => {
    let alarms = 0;
    for (let seed = 0; seed < 200; seed++) {
      const random = createRandom(seed);
      const hits = [0, 0];
      for (let n = 20; n <= 4_000; n += 20) {
        hits[0] = (hits[0] ?? 0) + draw(random, 20, 0.1);
        hits[1] = (hits[1] ?? 0) + draw(random, 20, 0.1);
        const [a = 0, b = 0] = hits.map((each) => each / n);
        const z = (a - b) / Math.sqrt((a * (1 - a) + b * (1 - b)) / n + 1e-12);
        if (n >= 100 && z > 1.2816) {
          alarms++;
          break;
        }
      }
    }
    expect(alarms).toBeGreaterThan(200 * delta * 3);
  });

  it('[GAT2] sees three points in so many devices of twenty answers in nine of ten fleets', () => {
    const { after } = fleets(100, 800, 20, 0.03);
    expect(after.length).toBeGreaterThanOrEqual(90);
    expect(after[89]).toBeLessThan(600);
    expect(after[49]).toBeLessThan(300);
  });

  it('[GAT1] contains what was seen, and knows nothing of what was not', () => {
    expect(anytimeBounds([], 0.05)).toEqual({ lower: 0, upper: 1 });
    for (const hits of [0, 1, 50, 99, 100]) {
      const { lower, upper } = anytimeBounds(
        [
          [1, hits],
          [0, 100 - hits],
        ],
        0.05,
      );
      expect(lower).toBeLessThanOrEqual(hits / 100);
      expect(upper).toBeGreaterThanOrEqual(hits / 100);
      expect(upper - lower).toBeLessThan(0.4);
    }
    const narrow = anytimeBounds(
      [
        [1, 500],
        [0, 9_500],
      ],
      0.05,
    );
    expect(narrow.lower).toBeGreaterThan(0.04);
    expect(narrow.upper).toBeLessThan(0.06);
  });

  it('[GAT10] lets one device, or two, decide nothing, whatever they answer', () => {
    const wild = { hits: 100_000, trials: 100_000 };
    const one = pairUp(wild, { hits: 0, trials: 100_000 }, 100);
    expect(one.filter(([, times]) => times > 0)).toEqual([[1, stakesPerDevice]]);
    const calm = Array.from({ length: 30 }, () =>
      pairUp({ hits: 1, trials: 100 }, { hits: 1, trials: 100 }, 100),
    ).reduce(sum);
    const devices = [1, 2, 3, 4, 5, 6].map((n) =>
      exceeds(Array.from({ length: n }, () => one).reduce(sum, calm), 0.5, 0.005),
    );
    expect(devices.slice(0, 2)).toEqual([false, false]);
    expect(devices.at(-1)).toBe(true);
  });

  it('[GAT1] deals as many of both, and means what they differ by', () => {
    const seen = pairUp({ hits: 6, trials: 23 }, { hits: 90, trials: 900 }, 100);
    const times = seen.reduce((all, [, each]) => all + each, 0);
    const mean = seen.reduce((all, [value, each]) => all + value * each, 0) / times;
    expect(times).toBeCloseTo(stakesPerDevice, 9);
    expect(toRise({ lower: mean, upper: mean }).lower).toBeCloseTo(6 / 23 - 0.1, 9);
    expect(countedAnswers(23, 100)).toBe(20);
    expect(countedAnswers(3, 100)).toBe(3);
    expect(countedAnswers(5_000, 100)).toBe(100);
    expect(pairUp({ hits: 0, trials: 9 }, { hits: 0, trials: 0 }, 25)).toEqual([]);
    const share = dealOut({ hits: 5, trials: 20 }, 100);
    expect(share.reduce((all, [value, each]) => all + value * each, 0)).toBeCloseTo(1, 9);
    expect(toRise({ lower: 0.5, upper: 1 })).toEqual({ lower: 0, upper: 1 });
  });
});
