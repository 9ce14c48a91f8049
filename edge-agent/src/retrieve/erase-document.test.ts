import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom, ok, silentLog } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { createVirtualClock, unwrap } from '@skerry/shared/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createDirectCollections } from '../adapters/collections-over.ts';
import { openDatabase } from '../adapters/sqlite-database.ts';
import { createSqliteQuestionStore } from '../adapters/sqlite-question-store.ts';
import { createWordEmbedder } from '../testing/word-embedder.ts';
import { eraseDocument } from './erase-document.ts';
import { createLateQuestions } from './late-questions.ts';
import { createLibrary } from './library.ts';

const secret = 'The quinquagesimal combination of the xylophonic safe is forty-two.';

describe('a document that has to go', () => {
  it('[ERA1] is in no byte of the device’s files, nor is what quotes it, and the certificate says what was done', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'skerry-erase-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const database = unwrap(openDatabase(join(folder, 'agent.db')));
    onTestFinished(() => void database.close());
    const embedder = createWordEmbedder();
    const collections = createDirectCollections({ folder: join(folder, 'collections'), embedder });
    onTestFinished(() => collections.close());
    const clock = createVirtualClock();
    const ports = { collections, embedder, digestOf: sha256, clock, log: silentLog };
    const library = createLibrary(ports);
    const store = createSqliteQuestionStore(database, { answersMax: 9 });
    const late = createLateQuestions({
      library,
      store,
      append(_, effect) {
        effect();
        return ok(undefined);
      },
      clock,
      random: createRandom(1),
      log: silentLog,
      onSettled() {},
    });
    const texts = {
      'safe.md': secret,
      'pump.md': 'The pump is bled at the brass valve above the motor.',
    };
    for (const [uri, text] of Object.entries(texts)) {
      const digest = sha256(new TextEncoder().encode(text));
      unwrap(await library.add('manuals', { uri, title: uri, text, digest, trust: 1 }));
    }
    const search = { collections: ['manuals'], text: secret, count: 1, reader: { principals: [] } };
    const { found } = unwrap(await library.search(search));
    const asked = {
      question: secret,
      model: 'library',
      answerModel: 'big',
      confidence: 0.1,
      found,
    };
    const ids = [1, 2].map(() => unwrap(late.ask(asked)));
    const outcome = { kind: 'said' as const, text: `${secret} [1]`, model: 'big' };
    late.record({ kind: 'said', requestId: ids[0] as string, outcome });
    await late.check();
    const holds = (word: string): boolean =>
      readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .some((entry) => readFileSync(join(entry.parentPath, entry.name)).includes(word));
    expect(holds('quinquagesimal')).toBe(true);

    const erasing = { collections, questions: store, nowMs: clock.nowMs };
    const certificate = unwrap(await eraseDocument(erasing, 'manuals', 'safe.md'));
    expect(certificate).toMatchObject({
      collection: 'manuals',
      uri: 'safe.md',
      digests: [sha256(new TextEncoder().encode(secret))],
      stores: [
        { store: 'passages, words and vectors', state: 'erased', count: 1 },
        { store: 'questions and their answers', state: 'erased', count: 2 },
        { store: 'questions on their way up', state: 'pending', count: 1 },
        { store: 'coordinator, and whoever it asked', state: 'unknown', count: 2 },
      ],
    });
    for (const word of ['quinquagesim', 'xylophon', 'safe.md']) expect(holds(word)).toBe(false);
    expect(holds('brass valve')).toBe(true);
    expect(unwrap(await eraseDocument(erasing, 'manuals', 'safe.md'))).toBeUndefined();
  });
});
