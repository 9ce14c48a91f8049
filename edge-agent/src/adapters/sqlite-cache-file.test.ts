import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unwrap } from '@skerry/shared/testing';
import Database from 'better-sqlite3';
import { expect, it, onTestFinished } from 'vitest';
import type { AnswerEntry } from '../retrieve/cache/answer-store.ts';
import { openCacheFile } from './sqlite-cache-file.ts';

const bounds = { entriesMax: 3, bytesMax: 10_000 };
const entry = (key: string, more: Partial<AnswerEntry> = {}): AnswerEntry => ({
  key,
  kind: 'asked',
  scope: 's',
  form: 'f',
  asked: `asked ${key}`,
  question: `question ${key}`,
  answer: {
    said: { text: `answer ${key}`, citations: [], unverified: [] },
    summary: { snapshots: [], passages: [] },
    source: 'library',
  },
  searched: [{ collection: 'manuals', revision: 1 }],
  rests: [{ collection: 'manuals', uri: 'pump.md' }],
  madeMs: 1,
  expiresMs: 100,
  ...more,
});

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'skerry-caches-'));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

it('[CAC2] of each kind keeps so many entries, of so many bytes, and none whose time is over', () => {
  const { answers, close } = unwrap(openCacheFile(':memory:', bounds));
  onTestFinished(close);
  const has = (...keys: string[]) => keys.filter((key) => unwrap(answers.get(key)) !== undefined);
  for (const [i, key] of ['a', 'b', 'c', 'd'].entries())
    unwrap(answers.put(entry(key, { madeMs: i })));
  unwrap(answers.put(entry('p', { kind: 'pushed', madeMs: 0 })));
  expect(has('a', 'b', 'c', 'd', 'p')).toEqual(['b', 'c', 'd', 'p']);
  const vector = new Float32Array([0.5, -1]);
  unwrap(answers.put(entry('v', { madeMs: 9, vector })));
  expect(unwrap(answers.get('v'))).toEqual(entry('v', { madeMs: 9, vector }));
  expect(unwrap(answers.alike('s', 'f')).map(({ key }) => key)).toEqual(['v', 'd', 'c', 'p']);
  unwrap(answers.put(entry('big', { madeMs: 10, question: 'x'.repeat(9_800) })));
  expect(has('v', 'd', 'big', 'p')).toEqual(['big', 'p']);
  unwrap(answers.put(entry('e', { madeMs: 100, expiresMs: 200 })));
  expect(has('big', 'p', 'e')).toEqual(['e']);
});

it('[CAC2] is begun anew where its file is none, or another version’s, and else holds what it held', () => {
  const path = join(folder(), 'caches.db');
  const count = (): number => {
    const { answers, close } = unwrap(openCacheFile(path, bounds));
    const { asked } = unwrap(answers.figures());
    unwrap(answers.put(entry('a')));
    close();
    return asked;
  };
  writeFileSync(path, 'no database at all, and longer than a header of one is'.repeat(9));
  expect([count(), count()]).toEqual([0, 1]);
  const database = new Database(path);
  database.pragma('user_version = 99');
  database.close();
  expect([count(), count()]).toEqual([0, 1]);
});

it('[CAC9] counts questions by digests, the common ones for sure, with words as long as an answer is kept', () => {
  const { answers, counts, close } = unwrap(openCacheFile(':memory:', bounds));
  onTestFinished(close);
  unwrap(answers.put(entry('a')));
  for (let i = 0; i < 3_000; i++) {
    unwrap(counts.add(`rare ${i}`, i));
    if (i % 10 === 0) unwrap(counts.add('asked a', i));
    if (i % 20 === 0) unwrap(counts.add('asked b', i));
  }
  const [first, second] = unwrap(counts.commonest(2));
  expect(first).toMatchObject({ digest: 'asked a', question: 'question a' });
  expect(second).toEqual({ digest: 'asked b', count: expect.any(Number) });
  expect(first?.count).toBeGreaterThanOrEqual(300);
  expect(unwrap(counts.commonest(5_000))).toHaveLength(1_000);
  unwrap(answers.purge({ collection: 'manuals', uri: 'pump.md' }));
  expect(unwrap(counts.commonest(1))).toEqual([{ digest: 'asked a', count: first?.count }]);
});
