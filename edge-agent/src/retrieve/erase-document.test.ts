import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom, err, failure, ok, silentLog } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { createVirtualClock, unwrap } from '@skerry/shared/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createDirectCollections } from '../adapters/direct-collections.ts';
import { openDatabase } from '../adapters/sqlite-database.ts';
import { createSqliteQuestionStore } from '../adapters/sqlite-question-store.ts';
import { createWordEmbedder } from '../testing/word-embedder.ts';
import { eraseDocument, type QuotedDocument, type QuotingStore } from './erase-document.ts';
import { forgetQuestions } from './forget-questions.ts';
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

    const erasing = { collections, quoting: [forgetQuestions(store)], nowMs: clock.nowMs };
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

  it('[ERA2] stays where a store cannot forget it, and goes with all that each store says when it is asked for again', async () => {
    const collections = createDirectCollections({ folder: ':memory:' });
    onTestFinished(() => collections.close());
    const clock = createVirtualClock();
    const library = createLibrary({ collections, digestOf: sha256, clock, log: silentLog });
    const digest = sha256(new TextEncoder().encode(secret));
    const document = { uri: 'safe.md', title: 'Safe', text: secret, digest, trust: 1 };
    unwrap(await library.add('manuals', document));
    const asked: QuotedDocument[] = [];
    const row = { store: 'talk', state: 'erased' as const, count: 2 };
    const store = (fails: () => boolean): QuotingStore => ({
      async forget(quoted) {
        asked.push(quoted);
        return fails() ? err(failure('storage_failed', 'its disk is gone')) : ok([row]);
      },
    });
    let broken = true;
    const ports = { collections, quoting: [store(() => false), store(() => broken)] };
    const erase = () => eraseDocument({ ...ports, nowMs: clock.nowMs }, 'manuals', 'safe.md');
    expect(await erase()).toMatchObject({ ok: false, error: { code: 'storage_failed' } });
    const thread = unwrap(await collections.open('manuals'));
    expect(unwrap(await thread.find('safe.md'))).toBeDefined();

    broken = false;
    const certificate = unwrap(await erase());
    expect(certificate?.stores.map((each) => each.store)).toEqual([
      'passages, words and vectors',
      'talk',
      'talk',
    ]);
    expect(asked).toEqual(
      Array(4).fill({ collection: 'manuals', uri: 'safe.md', digests: [digest] }),
    );
  });
});
