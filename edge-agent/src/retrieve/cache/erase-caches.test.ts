import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unwrap } from '@skerry/shared/testing';
import Database from 'better-sqlite3';
import { expect, it, onTestFinished } from 'vitest';
import { openTestLibrary } from '../../testing/cached-library.ts';
import { askLibrary } from '../ask.ts';
import { eraseDocument } from '../erase-document.ts';
import { toFloat16 } from '../float16.ts';
import { summaryOf } from '../library-reply.ts';

const secret = 'The quinquagesimal combination of the xylophonic safe is forty-two.';
const pump = 'The pump is bled at the brass valve above the motor.';
const questions = [
  'What is the quinquagesimal combination of the xylophonic safe?',
  'Is forty-two the quinquagesimal combination of the xylophonic safe?',
  'Where is the pump bled above the motor?',
];

it('[ERA1] leaves no word, no vector and no answer of a document in any file, with caches full, evicted and pushed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'skerry-erase-caches-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const semantic = { similarityMin: 0.9, judgedShare: 0.05, wrongShareMax: 0.01 };
  const world = await openTestLibrary({ folder, entriesMax: 2, semantic });
  onTestFinished(world.close);
  const { library, cache, precomputed, embedder, clock, collections, quoting, vectors } = world;
  const { document } = await world.add('safe.md', secret);
  await world.add('pump.md', pump);
  const cited = { uri: 'safe.md', digest: document.digest, start: 0, end: secret.length };
  const pushed = { question: 'Which xylophonic safe?', text: secret, source: 'big' };
  const outcome = await precomputed.replace('manuals', [
    { ...pushed, citations: [{ ...cited, text: secret }] },
  ]);
  expect(unwrap(outcome)).toMatchObject({ kept: 1 });
  for (const question of questions) {
    const asked = { question, collections: ['manuals'], reader: { principals: [] } };
    const look = await cache.look({ ...asked, answerModel: undefined });
    const answer = unwrap(await askLibrary(library, asked));
    const said = { text: answer.text ?? '', citations: answer.citations, unverified: [] };
    await look.computed({ said, summary: summaryOf(answer), source: 'library' }, false);
    clock.runNext(clock.nowMs() + 10);
  }
  expect(unwrap(cache.figures())).toMatchObject({ asked: 2, pushed: 1 });

  const files = () =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => [entry.name, readFileSync(join(entry.parentPath, entry.name))] as const);
  const holding = (bytes: Buffer | string): readonly string[] =>
    files().flatMap(([name, whole]) => (whole.includes(bytes) ? [name] : []));
  expect(files().map(([name]) => name)).toContain('caches.db-wal');
  // Of the passage as it is embedded, in halves; of the questions, whole.
  const vectorOf = async (text: string) => unwrap(await embedder.embed([text]));
  const bytesOf = ({ buffer, byteOffset, byteLength }: Uint16Array | Float32Array) =>
    Buffer.from(buffer, byteOffset, byteLength);
  const traces: readonly (readonly [string, Buffer | string])[] = [
    ...['quinquagesim', 'xylophon', 'forty-two', 'safe.md'].map((word) => [word, word] as const),
    ['its vector', bytesOf(toFloat16(await vectorOf(`safe.md\n\n${secret}`)))],
    ['a question’s vector', bytesOf(await vectorOf(questions[1] as string))],
  ];
  for (const [name, bytes] of traces) expect(holding(bytes), name).not.toEqual([]);
  expect(vectors.figures().entries).toBeGreaterThan(0);

  // Somebody who reads the cache's file keeps its log, and with it the words.
  const reading = new Database(join(folder, 'caches.db'), { readonly: true });
  reading.exec('BEGIN');
  reading.prepare('SELECT count(*) FROM entry').get();
  const erasing = { collections, quoting: [quoting], nowMs: clock.nowMs };
  const erase = () => eraseDocument(erasing, 'manuals', 'safe.md');
  expect(await erase()).toMatchObject({ error: { code: 'storage_failed' } });
  reading.close();

  expect(unwrap(await erase())).toMatchObject({
    uri: 'safe.md',
    stores: [
      { store: 'passages, words and vectors', state: 'erased', count: 1 },
      { store: 'cached answers', state: 'erased' },
      { store: 'vectors in memory', state: 'erased' },
    ],
  });
  for (const [name, bytes] of traces) expect(holding(bytes), name).toEqual([]);
  expect(holding('brass valve')).not.toEqual([]);
  expect(vectors.figures().entries).toBe(0);
});
