import { setImmediate as settled } from 'node:timers/promises';
import type { ChatReply, ChatRequest } from '@skerry/models/openai';
import { createRandom, err, failure, ok, type Result, silentLog } from '@skerry/shared';
import { createVirtualClock, unwrap } from '@skerry/shared/testing';
import {
  createMemoryCoordinatorDisk,
  createMemoryCoordinatorStore,
  sampleExchange,
  sampleQuestion,
} from '@skerry/sync-protocol/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createAnswerQuestions } from './answer-questions.ts';

const completion = (content: string): Result<ChatReply> =>
  ok({ completion: { choices: [{ message: { content } }] } });

async function open(chat: (request: ChatRequest) => Promise<Result<ChatReply>>) {
  const clock = createVirtualClock();
  const disk = createMemoryCoordinatorDisk();
  const store = createMemoryCoordinatorStore(disk);
  const ops = ['q-1', 'q-2'].map((id, i) => ({ seq: i + 1, atMs: 0, body: sampleQuestion(id) }));
  unwrap(await store.accept(sampleExchange({ ops }), clock.nowMs()));
  const start = () => {
    const answers = createAnswerQuestions(
      { store, text: { chat }, clock, random: createRandom(1), log: silentLog, onSaid() {} },
      { timeoutMs: 1_000 },
    );
    onTestFinished(answers.close);
    return answers;
  };
  const said = async () =>
    unwrap(await store.downOpsAfter('device-1', 0, 100, 1e6)).ops.map(({ body }) => body);
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) await settled();
  };
  return { clock, store, start, said, settle };
}

describe('questions that devices have passed on', () => {
  it('[QUE1] are answered once, each by its id, and are closed then', async () => {
    const asked: string[] = [];
    const world = await open(async ({ model, messages }) => {
      asked.push(`${model}: ${String(messages[0]?.content)}`);
      return completion('Four fathoms.');
    });
    world.start();
    await world.settle();
    const outcome = { kind: 'said', text: 'Four fathoms.', model: 'small' };
    expect(await world.said()).toEqual([
      { kind: 'said', requestId: 'q-1', outcome },
      { kind: 'said', requestId: 'q-2', outcome },
    ]);
    expect(asked).toEqual(['small: How deep?', 'small: How deep?']);
    expect(unwrap(await world.store.openOps('question', 9))).toEqual([]);
    world.start();
    await world.settle();
    expect(asked).toHaveLength(2);
  });

  it('[QUE2] wait where nobody answers now, ever longer, and are told of it when they are too old', async () => {
    let tries = 0;
    let up = false;
    const world = await open(async () => {
      tries++;
      return up ? completion('At last.') : err(failure('unavailable', 'no upstream'));
    });
    world.start();
    await world.settle();
    expect(tries).toBe(2);
    expect(await world.said()).toEqual([]);
    for (let i = 0; i < 30; i++) {
      world.clock.runNext(world.clock.nowMs() + 60_000);
      await world.settle();
    }
    expect(tries).toBeGreaterThan(4);
    expect(tries).toBeLessThan(40);
    up = true;
    for (let i = 0; i < 60; i++) {
      world.clock.runNext(world.clock.nowMs() + 600_000);
      await world.settle();
    }
    expect(await world.said()).toHaveLength(2);
  });

  it('[QUE2] are told at once what will never be answered', async () => {
    const world = await open(async () => err(failure('model_not_found', 'no model small')));
    world.start();
    await world.settle();
    expect(await world.said()).toMatchObject([
      { outcome: { kind: 'failed', code: 'model_not_found' } },
      { outcome: { kind: 'failed', code: 'model_not_found' } },
    ]);
  });

  it('[QUE2] that wait hold up none behind them', async () => {
    const world = await open(async ({ model }) =>
      model === 'big' ? completion('Here.') : err(failure('unavailable', 'no upstream')),
    );
    const many = Array.from({ length: 150 }, (_, i) => {
      const body = { ...sampleQuestion(`w-${i}`), model: i === 149 ? 'big' : 'small' };
      return { seq: i + 3, atMs: 0, body };
    });
    unwrap(await world.store.accept(sampleExchange({ ops: many }), 0));
    world.start();
    for (let i = 0; i < 10; i++) await world.settle();
    expect(await world.said()).toMatchObject([{ requestId: 'w-149' }]);
  });

  it('[QUE3] that meet a bug are put aside, and hold up no other', async () => {
    let first = true;
    const world = await open(async () => {
      if (first) {
        first = false;
        throw new Error('a bug');
      }
      return completion('Fine.');
    });
    world.start();
    await world.settle();
    expect(await world.said()).toHaveLength(1);
    expect(unwrap(await world.store.quarantined())).toBe(1);
  });
});
