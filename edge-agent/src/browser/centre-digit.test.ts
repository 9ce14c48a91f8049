import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { centreDigit } from './centre-digit.ts';

const sheet = 280;

/** A sheet with a filled rectangle of ink. */
function rectangle(left: number, top: number, width: number, height: number): Uint8Array {
  const grey = new Uint8Array(sheet * sheet);
  for (let y = top; y < top + height; y++)
    grey.fill(255, y * sheet + left, y * sheet + left + width);
  return grey;
}

const ink = fc.record({
  left: fc.integer({ min: 0, max: 180 }),
  top: fc.integer({ min: 0, max: 180 }),
  width: fc.integer({ min: 1, max: 100 }),
  height: fc.integer({ min: 1, max: 100 }),
});

describe('centring a digit', () => {
  it('makes 28 × 28 of it, wherever and however large it was drawn', () => {
    fc.assert(
      fc.property(ink, ({ left, top, width, height }) => {
        const centred = centreDigit(rectangle(left, top, width, height), sheet);
        expect(centred).toEqual(centreDigit(rectangle(0, 0, width, height), sheet));
        const inked = [...centred.entries()].filter(([, v]) => v > 0).map(([i]) => i);
        const rows = new Set(inked.map((i) => Math.floor(i / 28)));
        const columns = new Set(inked.map((i) => i % 28));
        expect(Math.max(rows.size, columns.size)).toBe(20);
      }),
      { numRuns: 50 },
    );
  });

  it('puts the ink’s centre of mass into the middle', () => {
    const centred = centreDigit(rectangle(10, 200, 40, 40), sheet);
    const inked = [...centred.entries()].filter(([, v]) => v > 0).map(([i]) => i);
    expect(inked[0]).toBe(4 * 28 + 4);
    expect(inked.at(-1)).toBe(23 * 28 + 23);
  });

  it('leaves an empty sheet black', () => {
    expect(centreDigit(new Uint8Array(sheet * sheet), sheet)).toEqual(new Uint8Array(28 * 28));
  });
});
