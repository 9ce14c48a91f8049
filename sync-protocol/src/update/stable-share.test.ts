import { describe, expect, it } from 'vitest';
import { armOf, murmur3, stableShare } from './stable-share.ts';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('the stable share', () => {
  it.each([
    ['', 0, 0],
    ['', 1, 0x514e28b7],
    ['a', 0x9747b28c, 0x7fa09ea6],
    ['aa', 0x9747b28c, 0x5d211726],
    ['aaa', 0x9747b28c, 0x283e0130],
    ['aaaa', 0x9747b28c, 0x5a97808a],
    ['abcd', 0x9747b28c, 0xf0478627],
    ['Hello, world!', 0x9747b28c, 0x24884cba],
    ['ππππππππ', 0x9747b28c, 0xd58063c1],
  ])('[ASG3] is MurmurHash3: of %j with seed %i', (text, seed, hash) => {
    expect(murmur3(utf8(text), seed)).toBe(hash);
  });

  it('[ASG3] lays names evenly, and each salt otherwise', () => {
    const tenths = new Array<number>(10).fill(0);
    let both = 0;
    for (let i = 0; i < 20_000; i++) {
      const share = stableShare('one', `device-${i}`);
      tenths[Math.floor(share * 10)] = (tenths[Math.floor(share * 10)] ?? 0) + 1;
      if (share < 0.1 && stableShare('two', `device-${i}`) < 0.1) both++;
    }
    // Six standard deviations.
    for (const count of tenths) expect(Math.abs(count - 2_000)).toBeLessThan(255);
    expect(Math.abs(both - 200)).toBeLessThan(85);
  });

  it('[ASG3] tells a device its arm, the same each time', () => {
    const experiment = { id: 'trial', candidateShare: 0.25 };
    const arms = Array.from({ length: 4_000 }, (_, i) => armOf(experiment, `device-${i}`));
    expect(arms.map((_, i) => armOf(experiment, `device-${i}`))).toEqual(arms);
    const candidates = arms.filter((arm) => arm === 'candidate').length;
    expect(Math.abs(candidates - 1_000)).toBeLessThan(165);
  });
});
