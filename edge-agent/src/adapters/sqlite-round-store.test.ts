import { unwrap } from '@skerry/shared/testing';
import type { LearnTask } from '@skerry/sync-protocol/learn';
import { sampleLearnTask } from '@skerry/sync-protocol/testing';
import { expect, it, onTestFinished } from 'vitest';
import { runsMax } from '../learn/round-store.ts';
import { openDatabase } from './sqlite-database.ts';
import { createSqliteRoundStore } from './sqlite-round-store.ts';

function open() {
  const database = unwrap(openDatabase(':memory:'));
  onTestFinished(() => void database.close());
  return createSqliteRoundStore(database);
}

const train = (round: number, attempt = 1, run = 'run'): LearnTask => {
  const task = sampleLearnTask({ run, round, attempt });
  return { ...task, work: { type: 'train', plan: new Uint8Array(), parameters: blob } };
};
const blob = { digest: `sha256:${'b'.repeat(64)}`, bytes: 4 };
const state = (n: number) => new Map([['slot', Uint8Array.of(n)]]);

it('[LEA9] the newest task of a run replaces the one before; a repeated one changes nothing', () => {
  const store = open();
  store.receive(train(1), 10);
  store.receive(train(1), 20);
  expect(store.held()).toEqual([{ task: train(1), receivedMs: 10, tries: 0 }]);
  unwrap(store.begin(train(1), 'm'));
  store.receive(train(2), 30);
  expect(store.held()).toEqual([{ task: train(2), receivedMs: 30, tries: 0 }]);
  expect([store.isHeld(train(1)), store.isHeld(train(2))]).toEqual([false, true]);
  store.answered(train(2), { state: new Map(), outcome: 'done' });
  store.receive(train(2), 50);
  expect(store.held()).toEqual([]);
  expect(store.runs()).toMatchObject([{ run: 'run', round: 2, isOpen: false, outcome: 'done' }]);
});

it('[LEA9] at the end of a run nothing of it stays, and no more runs are remembered than its bound', () => {
  const store = open();
  store.receive(train(1), 0);
  store.answered(train(1), { state: state(1), outcome: 'done' });
  store.receive({ ...train(1), work: { type: 'end', reason: 'over' } }, 1);
  expect(store.runs()).toEqual([]);
  expect(store.state(train(9)).size).toBe(0);
  store.receive(train(1), 0);
  store.answered(train(1), { state: state(1), outcome: 'done' });
  store.receive(train(2), 0);
  store.receive({ ...train(3), work: { type: 'end', reason: 'late', goesOn: true } }, 1);
  expect([store.held(), store.state(train(4))]).toEqual([[], state(1)]);
  for (let i = 0; i <= runsMax; i++) store.receive(train(1, 1, `run-${i}`), i);
  expect(store.held().map(({ task }) => task.run)).not.toContain('run-0');
  expect(store.held()).toHaveLength(runsMax);
});

it('[LEA10] another attempt at a round begins with what the first one began with', () => {
  const store = open();
  store.receive(train(1), 0);
  store.answered(train(1), { state: state(1), outcome: 'done' });
  store.answered(train(2), { state: state(2), outcome: 'done' });
  expect(store.state(train(2, 2))).toEqual(state(1));
  store.answered(train(2, 2), { state: state(22), outcome: 'done' });
  expect(store.state(train(2, 3))).toEqual(state(1));
  expect(store.state(train(3))).toEqual(state(22));
  const evaluate = { type: 'evaluate', plan: new Uint8Array(), parameters: blob } as const;
  expect(store.state({ ...train(2), work: evaluate })).toEqual(state(22));
  // What a round began from is kept for one round only.
  store.answered(train(3), { state: state(3), outcome: 'done' });
  expect(store.state(train(2)).size).toBe(0);
  expect(store.state(train(3))).toEqual(state(22));
});

it('[LEA1] what runs have made of a model’s examples is forgotten with them', () => {
  const store = open();
  for (const run of ['a', 'b']) {
    store.receive(train(1, 1, run), 0);
    unwrap(store.begin(train(1, 1, run), run === 'a' ? 'm' : 'other'));
    store.answered(train(1, 1, run), { state: state(1), outcome: 'done' });
  }
  unwrap(store.forget({ model: 'm' }));
  expect(store.runs().map(({ run }) => run)).toEqual(['b']);
  expect(store.state(train(2, 1, 'a')).size).toBe(0);
});

it('[LEA17] what was spent on a model outlives its runs and its consents', () => {
  const store = open();
  expect(store.spent('m')).toBe(0);
  store.receive(train(1), 0);
  unwrap(store.begin(train(1), 'm'));
  const spent = { model: 'm', rho: 0.5 };
  store.answered(train(1), { state: new Map(), outcome: 'done', spent });
  unwrap(store.forget({ model: 'm' }));
  expect([store.spent('m'), store.spent('n')]).toEqual([0.5, 0]);
});

it('[LEA18] which round of a run was opened outlives the run, and never goes back', () => {
  const store = open();
  expect(store.lastOpened('run')).toBe(-1);
  store.answered(train(3), { state: new Map(), outcome: 'done', opens: true });
  store.answered(train(2), { state: new Map(), outcome: 'done', opens: true });
  unwrap(store.forget({ run: 'run' }));
  expect(store.lastOpened('run')).toBe(3);
});
