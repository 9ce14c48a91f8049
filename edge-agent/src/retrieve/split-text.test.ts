import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { atomCharactersMax, atomsOf, splitText } from './split-text.ts';

const countTokens = (text: string): number => Math.ceil(text.length / 5);
const split = (text: string, tokensMax = 40) =>
  splitText(text, { method: 'recursive', tokensMax, countTokens });
const everyOther = new Set(Array.from({ length: 1_000 }, (_, i) => 2 * i));
const cut = (text: string, tokensMax?: number) =>
  split(text, tokensMax).map(({ start, end }) => text.slice(start, end));

describe('a text in passages', () => {
  it('[LIB1] is all of it, without gap or overlap, however it is made', () => {
    const line = fc.oneof(
      fc.string(),
      fc.constantFrom('# A', '## B', '', '```', 'One. Two! Three?'),
    );
    fc.assert(
      fc.property(fc.array(line), fc.integer({ min: 1, max: 50 }), (lines, tokensMax) => {
        const text = lines.join('\n');
        for (const method of ['fixed', 'recursive', 'semantic'] as const)
          expect(
            splitText(text, { method, tokensMax, countTokens, turns: everyOther })
              .map(({ start, end }) => text.slice(start, end))
              .join(''),
          ).toBe(text);
      }),
    );
  });

  it('[LIB1] holds no more tokens than it may, unless one sentence has more', () => {
    fc.assert(
      fc.property(fc.array(fc.lorem({ maxCount: 12 }), { maxLength: 30 }), (sentences) => {
        const text = sentences.map((words) => `${words}.`).join(' ');
        const atoms = new Map(atomsOf(text).map((atom) => [atom.start, atom]));
        for (const { start, end } of split(text)) {
          const isOne = atoms.get(start)?.end === end;
          if (!isOne) expect(countTokens(text.slice(start, end))).toBeLessThanOrEqual(41);
        }
      }),
    );
  });

  it('[LIB56] ends at a turn as at a paragraph: rather than at a sentence, once it is half full', () => {
    const sentence = 'A sentence of twenty five. ';
    const text = sentence.repeat(12);
    const lengths = (...turns: number[]) =>
      splitText(text, {
        method: 'semantic',
        tokensMax: 48,
        countTokens,
        turns: new Set(turns),
      }).map(({ start, end }) => (end - start) / sentence.length);
    expect(lengths()).toEqual([8, 4]);
    expect(lengths(0, 4)).toEqual([5, 7]);
    expect(lengths(9)).toEqual([8, 4]);
  });

  it('[LIB1] is cut at headings before paragraphs, at paragraphs before sentences', () => {
    const filler = 'Words that fill a line with what nobody needs to read at all.';
    const text = `# One\n\n${filler} ${filler}\n\n${filler}\n\n# Two\n\n${filler}`;
    expect(cut(text, 60).map((part) => part.trimEnd())).toEqual([
      `# One\n\n${filler} ${filler}\n\n${filler}`,
      `# Two\n\n${filler}`,
    ]);
    expect(split(text, 60).map(({ heading }) => heading)).toEqual(['One', 'Two']);
  });

  it('[LIB1] knows the headings that it stands under, and that code has none', () => {
    const long = 'A sentence that is long enough to fill the passage that it is in. '.repeat(4);
    const text = `# Top\n\n## Deep\n\n${long}\n\n\`\`\`\n# a comment\n\`\`\`\n\n${long}\n\n## Other\n\n${long}`;
    const headings = new Set(split(text).map(({ heading }) => heading));
    expect(headings).toEqual(new Set(['Top', 'Top › Deep', 'Top › Other']));
  });

  it('[LIB1] takes a megabyte on one line, and cuts no character in two', () => {
    const text = '😀'.repeat(250_000);
    const parts = cut(text);
    expect(parts.join('')).toBe(text);
    expect(Math.max(...parts.map(({ length }) => length))).toBeLessThanOrEqual(atomCharactersMax);
    for (const part of parts) expect(part.length % 2).toBe(0);
    // In proportion to its length: with a look back to its beginning at each piece this would take minutes.
    expect(cut(`a ${'深'.repeat(8_000_000)}`).length).toBeGreaterThan(10_000);
  });
});
