import { createRandom, err, failure, ok, silentLog } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { createVirtualClock, unwrap } from '@skerry/shared/testing';
import {
  type Question,
  questionCharactersMax,
  questionSchema,
  type Said,
} from '@skerry/sync-protocol';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createDirectCollections } from '../adapters/direct-collections.ts';
import { openDatabase } from '../adapters/sqlite-database.ts';
import { createSqliteDeviceStore } from '../adapters/sqlite-device-store.ts';
import { createSqliteQuestionStore } from '../adapters/sqlite-question-store.ts';
import { agentConfigSchema } from '../config.ts';
import { describeRecord } from '../infer/describe-record.ts';
import { createLateAnswers } from '../infer/late-answers.ts';
import { createWordEmbedder } from '../testing/word-embedder.ts';
import { createLateQuestions } from './late-questions.ts';
import { createLibrary, type Library } from './library.ts';
import { promptFor } from './prompt.ts';

const text = '# Valve\n\nThe relief valve of the boiler opens at 12 bar and closes at 9 bar.';

async function open(refuses = false) {
  const database = unwrap(openDatabase(':memory:'));
  const config = agentConfigSchema.parse({ answersMax: 3 });
  const outbox = unwrap(createSqliteDeviceStore(database, 'device-1', () => 'epoch-1', config));
  const clock = createVirtualClock();
  const collections = createDirectCollections({ folder: ':memory:' });
  onTestFinished(() => collections.close());
  const library = createLibrary({ collections, digestOf: sha256, clock, log: silentLog });
  const digest = sha256(new TextEncoder().encode(text));
  unwrap(await library.add('manuals', { uri: 'valve.md', title: 'Valve', text, digest, trust: 1 }));
  const store = createSqliteQuestionStore(database, config);
  const asked: Question[] = [];
  let settled = 0;
  const lateOver = (library: Library) =>
    createLateQuestions({
      library,
      store,
      append(body, effect) {
        if (refuses) return err(failure('overloaded', 'the outbox is full'));
        asked.push(body);
        return outbox.append(body, 0, effect);
      },
      clock,
      random: createRandom(1),
      log: silentLog,
      onSettled: (count) => {
        settled += count;
      },
    });
  const late = lateOver(library);
  const search = {
    collections: ['manuals'],
    text: 'relief valve',
    count: 3,
    reader: { principals: [] },
  };
  const { found } = unwrap(await library.search(search));
  const question = {
    question: 'At what pressure does the relief valve open?',
    model: 'library',
    answerModel: 'big',
    confidence: 0.3,
    found,
  };
  const none = { get: () => undefined, lateAfter: () => [], lastSettled: () => 0 };
  return {
    late,
    lateOver,
    search,
    store,
    asked,
    question,
    library,
    answers: createLateAnswers(none, store),
    settled: () => settled,
  };
}

const said = (requestId: string, words: string): Said => ({
  kind: 'said',
  requestId,
  outcome: { kind: 'said', text: words, model: 'big' },
});

describe('a question that nobody could answer at once', () => {
  it('[QUE4] goes up with what was found, and what is said is checked before it is given out', async () => {
    const world = await open();
    const id = unwrap(world.late.ask(world.question));
    expect(world.asked[0]).toMatchObject({ kind: 'question', requestId: id, model: 'big' });
    expect(world.asked[0]?.messages[1]?.content).toContain('opens at 12 bar');
    expect(world.answers.get(id)).toMatchObject({ delivery: 'open' });
    world.late.record(said(id, 'The relief valve opens at 12 bar [1]. It whistles at 30 bar [1].'));
    expect(world.answers.lateAfter(0, 9)).toEqual([]);
    await world.late.check();
    const [record] = world.answers.lateAfter(0, 9);
    expect(record && describeRecord(record, () => undefined)).toMatchObject({
      request_id: id,
      model_name: 'library',
      delivery: 'late',
      answer: {
        source: 'cloud',
        model: 'big',
        citations: [{ uri: 'valve.md', verified: true }],
        unverified: ['It whistles at 30 bar.'],
      },
    });
    expect(world.settled()).toBe(1);
  });

  it('[QUE7] what a library elsewhere said it from is looked up here, letter by letter', async () => {
    const world = await open();
    const id = unwrap(world.late.ask(world.question));
    const sentence = 'The relief valve of the boiler opens at 12 bar and closes at 9 bar.';
    const start = text.indexOf(sentence);
    const digest = sha256(new TextEncoder().encode(text));
    const quote = {
      uri: 'valve.md',
      title: 'Valve',
      heading: '',
      digest,
      start,
      end: start + sentence.length,
    };
    const quotes = [
      { ...quote, text: sentence },
      { ...quote, text: sentence.replace('12', '13') },
      { ...quote, uri: 'other.md', text: sentence },
      { ...quote, digest: `sha256:${'0'.repeat(64)}`, text: sentence },
      { ...quote, end: 5_000, text: sentence },
    ];
    const outcome = { kind: 'said' as const, text: sentence, model: 'depot', quotes };
    world.late.record({ kind: 'said', requestId: id, outcome });
    await world.late.check();
    const [record] = world.answers.lateAfter(0, 9);
    expect(record).toMatchObject({
      said: { citations: quotes.map((_, i) => ({ verified: i === 0 })) },
    });
  });

  it('[LIB18] that somebody answers from nothing, or from what is not here, is not answered', async () => {
    const world = await open();
    const quote = { uri: 'x.md', title: '', heading: '', digest: sha256(new Uint8Array()) };
    const quotes = [{ ...quote, start: 0, end: 1, text: 'x' }];
    for (const outcome of [
      { kind: 'said' as const, text: 'I do not know.', model: 'big' },
      { kind: 'said' as const, text: 'It opens at 12 bar.', model: 'depot', quotes: [] },
      { kind: 'said' as const, text: 'It opens at 12 bar.', model: 'depot', quotes },
    ]) {
      const requestId = unwrap(world.late.ask(world.question));
      world.late.record({ kind: 'said', requestId, outcome });
      await world.late.check();
      const record = world.answers.get(requestId);
      expect(record).toMatchObject({ delivery: 'late', failed: { code: 'not_found' } });
      expect(record).not.toHaveProperty('said');
    }
  });

  it('[QUE4] is checked against the passages it was asked with: what replaced one, or hides it, bears nothing out', async () => {
    const second = '# Pump\n\nThe pump of the relief valve runs at 240 volts.';
    const digestOf = (text: string) => sha256(new TextEncoder().encode(text));
    const worldOf = async () => {
      const world = await open();
      const pump = {
        uri: 'pump.md',
        title: 'Pump',
        text: second,
        digest: digestOf(second),
        trust: 1,
      };
      unwrap(await world.library.add('manuals', pump));
      const { found } = unwrap(await world.library.search(world.search));
      expect(found.map(({ passage }) => passage.uri).sort()).toEqual(['pump.md', 'valve.md']);
      const id = unwrap(world.late.ask({ ...world.question, found }));
      const number = (uri: string) => 1 + found.findIndex(({ passage }) => passage.uri === uri);
      const words = `It runs at 240 volts [${number('pump.md')}]. It opens at 12 bar [${number('valve.md')}].`;
      world.late.record(said(id, words));
      return { world, id };
    };
    for (const uri of ['valve.md', 'pump.md']) {
      const { world, id } = await worldOf();
      const changed = `${uri === 'valve.md' ? text : second}\n`;
      const readers = ['crew'];
      const digest = digestOf(changed);
      unwrap(
        await world.library.add('manuals', {
          uri,
          title: uri,
          text: changed,
          digest,
          readers,
          trust: 1,
        }),
      );
      await world.late.check();
      const other = uri === 'valve.md' ? 'pump.md' : 'valve.md';
      expect(world.answers.get(id)).toMatchObject({
        said: {
          citations: [{ uri: other, verified: true }],
          unverified: [uri === 'valve.md' ? 'It opens at 12 bar.' : 'It runs at 240 volts.'],
        },
      });
    }
  });

  it('[QUE4] is not checked against another version that has the number of a passage', async () => {
    const world = await open();
    for (const changed of [{ version: 7 }, { digest: sha256(new Uint8Array()) }]) {
      const found = world.question.found.map((each) => ({
        ...each,
        passage: { ...each.passage, ...changed },
      }));
      const id = unwrap(world.late.ask({ ...world.question, found }));
      world.late.record(said(id, 'It opens at 12 bar [1].'));
      await world.late.check();
      expect(world.answers.get(id)).toMatchObject({ failed: { code: 'not_found' } });
    }
  });

  it('[QUE4] is no longer than what the cloud takes, whatever was found', async () => {
    const world = await open();
    const found = world.question.found.map((each) => ({
      ...each,
      passage: { ...each.passage, text: ' \n'.repeat(2_000) },
    }));
    const library = {
      ...world.library,
      embedder: { ...createWordEmbedder(), countTokens: () => 1 },
    };
    const late = world.lateOver(library);
    const many = Array.from({ length: 9 }, () => found).flat();
    unwrap(late.ask({ ...world.question, question: '?'.repeat(30_000), found: many }));
    unwrap(late.ask({ ...world.question, found: many }));
    const alone = promptFor('?'.repeat(30_000), [], () => 9_999).messages;
    const characters = alone.reduce((sum, { content }) => sum + content.length, 0);
    expect(characters).toBeLessThanOrEqual(questionCharactersMax);
    for (const asked of world.asked) expect(questionSchema.safeParse(asked).success).toBe(true);
    expect(world.asked[1]?.messages[1]?.content).toContain('<passage number="3"');
  });

  it('[QUE5] is answered once: what comes again, or to a stranger, changes nothing', async () => {
    const world = await open();
    const id = unwrap(world.late.ask(world.question));
    const first = 'It opens at 12 bar [1].';
    for (const words of [first, 'It closes at 9 bar [1].']) {
      world.late.record(said(id, words));
      await world.late.check();
    }
    world.late.record(said('stranger', 'x'));
    await world.late.check();
    expect(world.answers.lateAfter(0, 9)).toMatchObject([{ said: { text: first } }]);
  });

  it('[QUE5] is given out also where it comes while others are checked', async () => {
    const world = await open();
    const ids = [1, 2].map(() => unwrap(world.late.ask(world.question)));
    world.late.record(said(ids[0] as string, 'The valve opens at 12 bar.'));
    const first = world.late.check();
    world.late.record(said(ids[1] as string, 'The valve closes at 9 bar.'));
    void world.late.check();
    await first;
    expect(world.answers.lateAfter(0, 9)).toHaveLength(2);
    expect(world.settled()).toBe(2);
  });

  it('[QUE5] that was answered before a crash is checked at the next start', async () => {
    const world = await open();
    const id = unwrap(world.late.ask(world.question));
    world.late.record(said(id, 'Opened at 12 bar.'));
    const again = createLateQuestions({
      library: world.library,
      store: world.store,
      append: () => ok(undefined),
      clock: createVirtualClock(),
      random: createRandom(2),
      log: silentLog,
      onSettled() {},
    });
    await again.check();
    expect(world.answers.lateAfter(0, 9)).toMatchObject([{ requestId: id, delivery: 'late' }]);
  });

  it('[QUE6] says what the cloud could not do, keeps so many, and forgets what quotes a document', async () => {
    const world = await open();
    const ids = Array.from({ length: 5 }, () => unwrap(world.late.ask(world.question)));
    expect(ids.map((id) => world.answers.get(id) !== undefined)).toEqual([
      false,
      false,
      true,
      true,
      true,
    ]);
    const outcome = { kind: 'failed' as const, code: 'model_not_found', message: 'no model big' };
    world.late.record({ kind: 'said', requestId: ids[4] as string, outcome });
    await world.late.check();
    const record = world.answers.get(ids[4] as string);
    expect(record && describeRecord(record, () => undefined)).toMatchObject({
      failed: { code: 'model_not_found' },
    });
    const document = { collection: 'manuals', uri: 'valve.md' };
    const other = { ...document, digests: [`sha256:${'0'.repeat(64)}`] };
    expect(unwrap(world.store.forget(other))).toEqual({ questions: 0, open: 0 });
    const digests = [sha256(new TextEncoder().encode(text))];
    expect(unwrap(world.store.forget({ ...document, digests }))).toEqual({ questions: 3, open: 2 });
    expect(ids.some((id) => world.answers.get(id) !== undefined)).toBe(false);
  });

  it('[QUE4] that the outbox refuses is not recorded', async () => {
    const world = await open(true);
    expect(world.late.ask(world.question)).toMatchObject({ error: { code: 'overloaded' } });
    expect(world.store.lateAfter(0, 9)).toEqual([]);
  });
});
