import { expect, it } from 'vitest';
import { figureOf, figures, renderSection, type Section } from './section.ts';
import type { Trial, TrialResult } from './trial.ts';

const resultOf = (name: string, seed: number, accuracies: readonly number[]): TrialResult => ({
  trial: { name } as Trial,
  seed,
  points: accuracies.map((accuracy, i) => ({
    round: i + 1,
    accuracy,
    loss: 0,
    atTime: 2 * (i + 1),
    bytesUp: 1e6 * (i + 1),
    updates: 10 * (i + 1),
  })),
  roundMs: 5,
  startedAt: '',
  load: [0, 0],
});
const section: Section = {
  about: '',
  trials: [],
  lines: [
    { what: 'rounds to 80 %', trial: 'a', figure: figures.roundsTo(0.8), reference: '3' },
    { what: 'time to 80 %', trial: 'a', figure: figures.timeTo(0.8), reference: '' },
  ],
  bars: [
    { claim: 'in three rounds', holds: (of) => figureOf(figures.roundsTo(0.8), of('a')) <= 3 },
  ],
};
const render = (...results: TrialResult[]) =>
  renderSection(
    section,
    [0, 1],
    new Map([['a', new Map(results.map((result) => [result.seed, result]))]]),
  );

it('prints each seed’s figure beside the reference', () => {
  const { text, kept } = render(resultOf('a', 0, [0.7, 0.9]), resultOf('a', 1, [0.6, 0.7, 0.8]));
  expect(kept).toBe(true);
  expect(text.split('\n')).toEqual([
    '                seed 0  seed 1  reference',
    '─────────────────────────────────────────',
    'rounds to 80 %     1.5     3.0          3',
    'time to 80 %       3.0     6.0',
    '✓ in three rounds',
  ]);
});

it('says of which seeds a bar is missed, and what was not run is not kept', () => {
  const missed = render(resultOf('a', 0, [0.7, 0.9]), resultOf('a', 1, [0.6, 0.7]));
  expect(missed.kept).toBe(false);
  expect(missed.text).toContain('rounds to 80 %     1.5  not in 2');
  expect(missed.text).toContain('✗ in three rounds (missed with seed 1)');
  const partly = render(resultOf('a', 0, [0.7, 0.9]));
  expect(partly.kept).toBe(false);
  expect(partly.text).toContain('– in three rounds (not run with seed 1)');
});
