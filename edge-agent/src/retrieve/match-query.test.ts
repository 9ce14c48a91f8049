import { expect, it } from 'vitest';
import { planWords } from './match-query.ts';

const planned = (counts: Record<string, number>, wanted = 100, passages = 100_000) =>
  planWords(Object.keys(counts), Object.values(counts), { passages, wanted });

it('[LIB33] ranks what has any of the words, where they are in few passages', () => {
  expect(planned({ pump: 40, valve: 20 })).toEqual({
    match: '"valve" OR "pump"',
    scale: 1,
    isPartial: false,
  });
});

it('[LIB33] ranks what has one of the rarer words, by all of them, each as often as the others', () => {
  const { match, scale, isPartial } = planned({ water: 30_000, pump: 40, valve: 900 });
  expect(match).toBe('("pump" OR "valve") AND ("pump" OR "valve" OR "water" OR "water")');
  expect(scale).toBe(0.5);
  expect(isPartial).toBe(true);
});

it('[LIB33] leaves out what is in more than half of the passages, but for a question that has nothing else', () => {
  expect(planned({ ship: 60_000, valve: 900 }).match).toBe('"valve"');
  expect(planned({ ship: 60_000, unheard: 0 }).match).toContain('"ship"');
  expect(planned({ ship: 60_000, sea: 70_000 }).match).toContain('"ship"');
});

it('[LIB33] takes more words until enough passages are ranked', () => {
  const of = (wanted: number) => planned({ rare: 3, pump: 200, water: 40_000 }, wanted).match;
  expect(of(10)).toMatch(/^\("rare" OR "pump"\) AND/);
  expect(of(100)).toBe('"rare" OR "pump" OR "water"');
});
