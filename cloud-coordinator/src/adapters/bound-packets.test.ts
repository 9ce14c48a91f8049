import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPacketGauge } from './bound-packets.ts';

const bytesMax = 300;

/** A PUBLISH of `length` bytes after its header. MQTT 3.1.1 §2.2.3: seven bits a byte, the least first. */
function packet(length: number): number[] {
  const header = [0x30];
  let left = length;
  do {
    header.push((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
    left >>= 7;
  } while (left > 0);
  return [...header, ...Array.from({ length: Math.min(length, 1_000) }, () => 0xff)];
}

/** Whether the gauge lets the stream pass, cut into chunks of these sizes. */
function passes(stream: readonly number[], sizes: readonly number[]): boolean {
  const fits = createPacketGauge(bytesMax);
  for (let at = 0, i = 0; at < stream.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    if (!fits(Uint8Array.from(stream.slice(at, at + size)))) return false;
    at += size;
  }
  return true;
}

const sizes = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 20 });
const lengths = fc.array(fc.integer({ min: 0, max: bytesMax }), { maxLength: 20 });

describe('the packet gauge', () => {
  it('lets packets within the bound pass, however they are cut', () => {
    fc.assert(fc.property(lengths, sizes, (all, cuts) => passes(all.flatMap(packet), cuts)));
  });

  it('stops at the first packet beyond it, wherever that stands', () => {
    fc.assert(
      fc.property(
        lengths,
        fc.integer({ min: bytesMax + 1, max: 2 ** 28 - 1 }),
        sizes,
        (before, tooLong, cuts) => !passes([...before, tooLong].flatMap(packet), cuts),
      ),
    );
  });

  it('stops at a length that never ends', () => {
    expect(passes([0x30, 0x80, 0x80, 0x80, 0x80, 0x80], [1])).toBe(false);
  });
});
