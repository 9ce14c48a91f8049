import { createRandom, defined } from '@skerry/shared';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { documentFrameBytesMax } from '../messages.ts';
import { digestOf } from '../testing/document-fleet.ts';
import { documentBounds } from './document-bounds.ts';
import {
  areOfOneSave,
  decodeFrame,
  encodeFrame,
  epochMax,
  type Frame,
  type FrameContent,
  joinParts,
  partsOf,
  withPart,
} from './frame.ts';

const frame: Frame = {
  document: 'site/harbour',
  epoch: 3,
  heads: ['a'.repeat(64), 'b'.repeat(64)],
  id: 7,
  content: { kind: 'changes', changes: [Uint8Array.from({ length: 900 }, (_, i) => i & 255)] },
};

function part(index: number, count: number, of = 'a save'): FrameContent {
  const bytes = new TextEncoder().encode(of);
  return { kind: 'part', index, count, digest: digestOf(bytes), bytes };
}

const heldOf = (coming: readonly FrameContent[]): FrameContent[] =>
  coming.reduce<FrameContent[]>((held, each) => withPart(held, each), []);

function encoded(of: Frame = frame): Uint8Array {
  const bytes = encodeFrame(of, digestOf);
  if (!bytes.ok) throw new Error(bytes.error.message);
  return bytes.value;
}

describe('a document frame', () => {
  it('[DOC4] is what was encoded', () =>
    expect(decodeFrame(encoded(), digestOf)).toEqual({ ok: true, value: frame }));

  it('[DOC4] with one bit of 1 500 flipped, or cut anywhere, is refused and nothing throws', () => {
    const bytes = encoded();
    const random = createRandom(1);
    let accepted = 0;
    for (let i = 0; i < 1_500; i++) {
      const flipped = bytes.slice();
      const at = random.below(bytes.length);
      flipped[at] = defined(flipped[at], 'a byte') ^ (1 << random.below(8));
      if (decodeFrame(flipped, digestOf).ok) accepted++;
    }
    for (let length = 0; length < bytes.length; length += 13)
      if (decodeFrame(bytes.subarray(0, length), digestOf).ok) accepted++;
    expect(accepted).toBe(0);
  });

  it('[DOC4] of a wrong shape or beyond its bounds is not made, and not read', () => {
    const headsTooMany = Array.from({ length: documentBounds.headsMax + 1 }, () => 'a'.repeat(64));
    for (const wrong of [
      { ...frame, document: 'site/../etc' },
      { ...frame, document: 'fleet/other' },
      { ...frame, epoch: 0 },
      { ...frame, epoch: epochMax + 1 },
      { ...frame, heads: headsTooMany },
      { ...frame, content: part(2, 2) },
    ])
      expect(encodeFrame(wrong, digestOf)).toMatchObject({ error: { code: 'invalid_argument' } });
    const large: Frame = {
      ...frame,
      content: { kind: 'changes', changes: [new Uint8Array(documentFrameBytesMax)] },
    };
    expect(encodeFrame(large, digestOf)).toMatchObject({ error: { code: 'too_large' } });
    expect(decodeFrame(new Uint8Array(documentFrameBytesMax + 1), digestOf).ok).toBe(false);
  });

  it('[DOC4] a save in parts is joined in any order, and only whole', () => {
    const save = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 7) & 255);
    const parts = partsOf(save, digestOf);
    if (!parts.ok) throw new Error(parts.error.message);
    expect(joinParts(parts.value.slice(1), digestOf)).toEqual({ ok: true, value: undefined });
    expect(joinParts([...parts.value].reverse(), digestOf)).toEqual({ ok: true, value: save });
    const [first, ...rest] = parts.value;
    const broken =
      first?.kind === 'part' ? { ...first, bytes: first.bytes.map((b) => b ^ 1) } : first;
    expect(joinParts(broken === undefined ? [] : [broken, ...rest], digestOf)).toMatchObject({
      error: { code: 'digest_mismatch' },
    });
    const { saveBytesMax } = documentBounds;
    expect(partsOf(new Uint8Array(saveBytesMax + 1), digestOf)).toMatchObject({ ok: false });
  });

  it('[NEV4] parts that come again and again, in whatever order, are each held once, and of the last save alone', () => {
    const anyPart = fc
      .record({ count: fc.integer({ min: 1, max: 3 }), of: fc.constantFrom('one', 'two') })
      .chain(({ count, of }) => fc.nat(count - 1).map((index) => part(index, count, of)));
    fc.assert(
      fc.property(fc.array(anyPart, { minLength: 1, maxLength: 40 }), (coming) => {
        const held = heldOf(coming);
        const last = defined(coming.at(-1), 'a part');
        expect(held.at(-1)).toBe(last);
        const indexes = held.map((each) => each.kind === 'part' && each.index);
        expect(new Set(indexes).size).toBe(held.length);
        expect(held.every((each) => areOfOneSave(each, last))).toBe(true);
      }),
    );
    const [first, second] = [part(0, 2), part(1, 2)];
    expect(heldOf([first, second, first])).toEqual([second, first]);
  });
});
