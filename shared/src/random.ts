// Seeded randomness. Everything that draws takes a Random, so that a seed replays a run exactly.
// Not for secrets: keys and tokens come from the platform's CSPRNG.

export interface Random {
  /** A uint32, uniform. */
  uint32(): number;
  /** Uniform in [0, 1), 32 bits. */
  next(): number;
  /** An integer, uniform in [0, bound). */
  below(bound: number): number;
  /** Standard normal. */
  gaussian(): number;
  /** A new stream that is a function of this one's state and `label`. */
  fork(label: number): Random;
}

/** sfc32 (Chris Doty-Humphrey, PractRand), seeded from one integer by splitmix32. */
export function createRandom(seed: number): Random {
  let mix = seed >>> 0;
  const splitmix = (): number => {
    mix = (mix + 0x9e3779b9) | 0;
    let t = mix ^ (mix >>> 16);
    t = Math.imul(t, 0x21f0aaad);
    t ^= t >>> 15;
    t = Math.imul(t, 0x735a2d97);
    return (t ^ (t >>> 15)) | 0;
  };
  let a = splitmix();
  let b = splitmix();
  let c = splitmix();
  let counter = 1;
  const uint32 = (): number => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t;
    c |= 0;
    return t >>> 0;
  };
  for (let i = 0; i < 12; i++) uint32();
  return randomFrom(uint32);
}

/** A Random over any source of uniform uint32s. */
export function randomFrom(uint32: () => number): Random {
  const next = (): number => uint32() / 2 ** 32;
  return {
    uint32,
    next,
    below: (bound) => Math.floor(next() * bound),
    // Box–Muller; 1 − u keeps the logarithm away from zero.
    gaussian: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
    fork: (label) => createRandom(uint32() ^ Math.imul(label + 1, 0x9e3779b9)),
  };
}

/** Fisher–Yates, in place. */
export function shuffle<T extends { length: number; [index: number]: number }>(
  items: T,
  random: Random,
): T {
  for (let i = items.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    const held = items[i] as number;
    items[i] = items[j] as number;
    items[j] = held;
  }
  return items;
}
