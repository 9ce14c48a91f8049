import { createRandom, labelCharsMax } from '@skerry/shared';
import { queryCellsMax } from '@skerry/sync-protocol/learn';
import { describe, expect, it } from 'vitest';
import { eventCharsMax } from '../../event-log/event-store.ts';
import { cellNamesOf } from './asked-query.ts';
import { quantilesOf } from './quantiles.ts';
import {
  type Answer,
  cohortsMax,
  type Tally,
  tallyAnswers,
  tallyNoised,
  tallySum,
} from './tally.ts';

const cells = ['a', 'b', 'c', 'd'];
const answer = (counts: number[], cohort = ''): Answer => ({ cohort, counts });
const times = (count: number, counts: number[], cohort = ''): Answer[] =>
  Array.from({ length: count }, () => answer(counts, cohort));

describe('a tally', () => {
  it('[QRY3] counts the examples of all, by cell', () => {
    const tally = tallyAnswers(cells, [...times(3, [1, 2, 0, 3]), ...times(2, [2, 2, 0, 1])], 3);
    expect(tally).toEqual({
      devicesMin: 3,
      whole: { devices: 5, examples: 28, counts: { a: 7, b: 10, c: 0, d: 11 }, rest: 0 },
      cohorts: {},
      withheld: [],
    });
  });

  it('[QRY3] withholds a cell of fewer devices, and with it the rarest other, or it would be the rest', () => {
    const answers = [...times(3, [5, 3, 0, 0]), answer([5, 0, 0, 0]), answer([5, 3, 0, 7])];
    const tally = tallyAnswers(cells, answers, 3);
    // Of d one device has examples: with b, of four, it is of four.
    expect(tally.withheld).toEqual(['b', 'd']);
    expect(tally.whole).toEqual({ devices: 5, examples: 44, counts: { a: 25, c: 0 }, rest: 19 });
  });

  it('[QRY3] shows a cohort of enough devices, and the small ones together', () => {
    const tally = tallyAnswers(
      cells,
      [
        ...times(5, [1, 1, 1, 1], 'north'),
        ...times(3, [1, 1, 1, 1], 'south'),
        ...times(2, [1, 1, 1, 1], 'east'),
        ...times(1, [1, 1, 1, 1], 'west'),
      ],
      3,
    );
    const devices = Object.entries(tally.cohorts).map(([name, group]) => [name, group.devices]);
    expect(devices).toEqual([
      ['south', 3],
      ['north', 5],
      ['(others)', 3],
    ]);
  });

  it('[QRY3] takes a larger cohort to the small ones where they are too few, and says none of only one', () => {
    const lone = times(1, [1, 1, 1, 1], 'west');
    const others = [...times(5, [1, 1, 1, 1], 'north'), ...times(3, [1, 1, 1, 1], 'south')];
    const tally = tallyAnswers(cells, [...others, ...lone], 3);
    expect(Object.keys(tally.cohorts)).toEqual(['north', '(others)']);
    expect(tally.cohorts['(others)']).toMatchObject({ devices: 4 });
    expect(tallyAnswers(cells, [...times(5, [1, 1, 1, 1], 'north'), ...lone], 3).cohorts).toEqual(
      {},
    );
  });

  it('[QRY3] of any number of cohorts is one record that a log takes', () => {
    const labels = Array.from({ length: queryCellsMax }, (_, i) =>
      `${i}`.padEnd(labelCharsMax, '…'),
    );
    const counts = labels.map(() => 9_999_999);
    const answers = Array.from({ length: 400 }, (_, i) =>
      times(i < 300 ? 3 : 4, counts, `site-${i}`),
    ).flat();
    const tally = tallyAnswers(labels, answers, 3);
    expect(JSON.stringify(tally).length).toBeLessThan(eventCharsMax);
    expect(Object.keys(tally.cohorts)).toHaveLength(cohortsMax);
    expect(tally.cohorts['site-399']?.devices).toBe(4);
    expect(tally.cohorts['(others)']?.devices).toBe(300 * 3 + (100 - cohortsMax + 1) * 4);
  });

  it('[QRY3] withholds in every group what is of too few in one: the others would tell it', () => {
    const north = times(4, [3, 3, 3, 3], 'north');
    const south = [...times(3, [2, 2, 2, 0], 'south'), answer([2, 2, 2, 9], 'south')];
    const tally = tallyAnswers(cells, [...north, ...south], 3);
    expect(tally.withheld).toContain('d');
    for (const group of [tally.whole, ...Object.values(tally.cohorts)])
      expect(Object.keys(group.counts)).not.toContain('d');
  });

  /** All numbers that are told, and what of each follows from others: none may be of one or two devices alone. */
  it('[QRY3] tells no number, and none follows, of fewer devices, whatever they answer', () => {
    const random = createRandom(7);
    for (let trial = 0; trial < 300; trial++) {
      const answers = Array.from({ length: 3 + random.below(12) }, () =>
        answer(
          cells.map(() => (random.below(3) === 0 ? 1 + random.below(9) : 0)),
          ['n', 's', 'e', 'w'][random.below(4)],
        ),
      ).filter(({ counts }) => counts.some((count) => count > 0));
      if (answers.length < 3) continue;
      const tally = tallyAnswers(cells, answers, 3);
      expect(smallestGroup(tally, answers)).toBeGreaterThanOrEqual(3);
    }
  });

  it('[QRY6] of a sum with noise tells whole examples, and never fewer than none', () => {
    const tally = tallyNoised(['a', 'b'], { devices: 4, counts: [-3.2, 4.6] }, 2, 3);
    expect(tally.whole).toEqual({ devices: 4, examples: 5, counts: { a: 0, b: 5 }, rest: 0 });
  });

  it('[QRY3] of a masked sum shows what enough devices have, and takes the most of them for all', () => {
    const sum = { devices: 5, counts: [9, 8, 0, 2], holders: [5, 4, 0, 1] };
    const tally = tallySum(cells, sum, 3);
    expect(tally.withheld).toEqual(['b', 'd']);
    expect(tally.whole).toEqual({ devices: 5, examples: 19, counts: { a: 9, c: 0 }, rest: 10 });
    const scattered = tallySum(
      cells,
      { devices: 4, counts: [1, 1, 1, 1], holders: [1, 1, 1, 1] },
      3,
    );
    expect(scattered.whole).toEqual({ devices: 4, examples: 4, counts: {}, rest: 4 });
  });
});

/** Of all that is told, and of what is left of each cohort and cell: the fewest devices with any. */
function smallestGroup(tally: Tally, answers: readonly Answer[]): number {
  const shown = Object.keys(tally.cohorts);
  const inPart = (part: string): readonly Answer[] =>
    answers.filter(({ cohort }) =>
      part === '' ? true : part === '(others)' ? !shown.includes(cohort) : cohort === part,
    );
  const sets = ['', ...shown].flatMap((part) => {
    const own = inPart(part);
    const having = (of: readonly number[]): number =>
      own.filter(({ counts }) => of.some((cell) => (counts[cell] ?? 0) > 0)).length;
    const rest = tally.withheld.map((name) => cells.indexOf(name));
    const told = cells.flatMap((name, cell) => (tally.withheld.includes(name) ? [] : [cell]));
    return [own.length, having(rest), ...told.map((cell) => having([cell]))];
  });
  return Math.min(...sets.filter((devices) => devices > 0));
}

describe('what inputs measure', () => {
  const question = { kind: 'inputs', measure: 'mean', from: 0, to: 100, bins: 4 } as const;

  it('[QRY3] is in bins with names, and has quantiles as far as bins tell them', () => {
    expect(cellNamesOf(question)).toEqual(['0…25', '25…50', '50…75', '75…100']);
    const quantiles = quantilesOf(question, [10, 0, 10, 0]);
    expect(quantiles).toEqual({ tenth: 5, median: 25, ninetieth: 70 });
    expect(quantilesOf(question, [0, 0, 0, 0])).toBeUndefined();
    expect(quantilesOf({ kind: 'labels', labels: ['a'] }, [3])).toBeUndefined();
  });
});
