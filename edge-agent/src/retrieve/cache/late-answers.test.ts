// Answers that come late, over a library that remembers, whose cloud is away when it is asked.

import type { ChatRequest } from '@skerry/models/openai';
import { createRandom, err, failure, ok, silentLog } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import { expect, it, onTestFinished } from 'vitest';
import { openDatabase } from '../../adapters/sqlite-database.ts';
import { createSqliteDeviceStore } from '../../adapters/sqlite-device-store.ts';
import { createSqliteQuestionStore } from '../../adapters/sqlite-question-store.ts';
import { agentConfigSchema } from '../../config.ts';
import { openTestLibrary } from '../../testing/cached-library.ts';
import { createLateQuestions } from '../late-questions.ts';
import { createLibraryText } from '../library-text.ts';
import type { CachedAnswer } from './answer-store.ts';

const pump = 'The pump of the cooling circuit is bled at the brass valve above the motor.';
const question = 'Who won the regatta in Venice last summer?';

async function open() {
  const world = await openTestLibrary();
  onTestFinished(world.close);
  const { library, cache, clock } = world;
  const database = unwrap(openDatabase(':memory:'));
  onTestFinished(() => void database.close());
  const config = agentConfigSchema.parse({});
  unwrap(createSqliteDeviceStore(database, 'device-1', () => 'epoch-1', config));
  const common = { library, cache, clock, random: createRandom(1), log: silentLog };
  const late = createLateQuestions({
    ...{ ...common, store: createSqliteQuestionStore(database, config), onSettled() {} },
    append(_, effect) {
      effect();
      return ok(undefined);
    },
  });
  const nobody = async () => err(failure('unavailable', 'link down'));
  const text = { name: 'nobody', list: async () => ok([]), chat: nobody, embed: nobody };
  const server = createLibraryText({
    ...{ ...common, text, late, answerModel: 'big', requestsMax: 9 },
  });
  const ask = async (...asked: readonly string[]) => {
    const messages = asked.map((content) => ({ role: 'user', content }));
    const request = { model: 'library', messages } as ChatRequest;
    const reply = unwrap(await server.chat(request, { leftMs: 1_000 }));
    const completion = 'completion' in reply ? reply.completion : {};
    const { library: told, choices } = completion as {
      choices: [{ message: { content: string } }];
      library: { pending?: string; recalled?: { cache: string; source: string } };
    };
    return { ...told, content: choices[0].message.content };
  };
  // Whichever of two passages it is.
  const cited = [1, 2].map((number) => `${pump.slice(0, -1)} [${number}].`).join(' ');
  const comes = async (requestId: string | undefined, said = cited) => {
    const outcome = { kind: 'said' as const, text: said, model: 'big' };
    late.record({ kind: 'said', requestId: requestId as string, outcome });
    await late.check();
  };
  return { ...world, ask, comes };
}

it('[CAC13] serve who asks the same again, and go with what was passed on', async () => {
  const { add, ask, comes, cache, changes } = await open();
  await add('pump.md', pump);
  await add('hull.md', 'The hull is painted in spring.');
  const first = await ask(question);
  expect(first).not.toHaveProperty('recalled');
  await comes(first.pending);
  const again = await ask(`  ${question.toUpperCase()}`);
  expect(again).toMatchObject({
    content: expect.stringContaining('brass valve'),
    recalled: { cache: 'exact', source: 'cloud' },
  });
  expect(again).not.toHaveProperty('pending');
  // Under no key but its own: by another model or another embedder it would be another answer.
  const asked = {
    question,
    collections: ['manuals'],
    reader: { principals: [] },
    answerModel: 'big',
  };
  const look = await cache.look(asked);
  const recalled = look.recall?.answer as CachedAnswer;
  unwrap(cache.clear());
  await cache.keepLate(`${look.key} of another`, asked, recalled);
  expect(unwrap(cache.figures())).toMatchObject({ asked: 0 });
  await cache.keepLate(look.key as string, asked, recalled);
  expect(unwrap(cache.figures())).toMatchObject({ asked: 1 });
  // Cited or not: whoever answered had it in hand.
  unwrap(changes.purge({ collection: 'manuals', uri: 'hull.md' }));
  expect(unwrap(cache.figures())).toMatchObject({ asked: 0 });
});

it('[CAC13] are kept for nobody else where anything has changed since, or where they rest on nothing', async () => {
  const { add, ask, comes, cache } = await open();
  await add('pump.md', pump);
  const first = await ask(question);
  await add('hull.md', 'The hull is painted in spring.');
  await comes(first.pending);
  expect(unwrap(cache.figures())).toMatchObject({ asked: 0 });
  await comes((await ask(question)).pending, 'Nobody knows who has won that regatta.');
  expect(unwrap(cache.figures())).toMatchObject({ asked: 0 });
  await comes((await ask(question)).pending);
  expect(unwrap(cache.figures())).toMatchObject({ asked: 1 });
});

it('[CAC13] are kept for nobody else where the question goes on from another', async () => {
  const { add, ask, comes, cache } = await open();
  await add('pump.md', pump);
  const { pending } = await ask(question, 'And it?');
  expect(pending).toBeDefined();
  await comes(pending);
  expect(unwrap(cache.figures())).toMatchObject({ asked: 0 });
});
