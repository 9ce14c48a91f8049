import { expect, it } from 'vitest';
import { expandWords } from './expand-words.ts';

const times = (words: readonly string[], word: string): number =>
  words.filter((each) => each === word).length;

it('[RNK2] a question gains the words of what its own have found, by how likely they are there', () => {
  const expanded = expandWords(
    ['boundary', 'layer'],
    [
      { text: 'The boundary layer is turbulent; turbulent flow heats the wall.', score: 4 },
      { text: 'Turbulent heating of a boundary layer.', score: 2 },
      { text: 'A cone of steel.', score: 0.1 },
    ],
  );
  expect(times(expanded, 'boundary')).toBe(4);
  expect(times(expanded, 'turbulent')).toBeGreaterThan(times(expanded, 'wall'));
  expect(times(expanded, 'turbulent')).toBeGreaterThan(0);
  expect(expanded).not.toContain('the');
  expect(expanded).not.toContain('steel');
});

it('[RNK2] its own words stay, whatever was found', () => {
  const own = Array.from({ length: 20 }, (_, i) => `word${i}`);
  const expanded = expandWords(own, [{ text: 'other other other', score: 1 }]);
  expect(own.every((word) => expanded.includes(word))).toBe(true);
  expect(times(expanded, 'other')).toBe(4);
  expect(expandWords(['pump'], [])).toEqual(['pump']);
});
