// The language model at hand over a package that says what it is told to.

import { createVirtualClock, unwrap } from '@skerry/shared/testing';
import { expect, test } from 'vitest';
import type { ChatRequest } from '../openai/text-server.ts';
import type { LlamaPackage } from './llama-package.ts';
import { createLlamaServer } from './llama-server.ts';
import type { LanguageModelFile } from './read-language-model.ts';

const file: LanguageModelFile = {
  path: '/models/model.gguf',
  description: {
    schema: 'skerry.language-model/1',
    ...{ name: 'tiny', license: 'MIT', memoryBytes: 1 },
    model: { path: 'model.gguf', sha256: `sha256:${'a'.repeat(64)}`, bytes: 1 },
    ...{ contextTokens: 400, answerTokensMax: 100 },
  },
};

interface PromptOptions {
  readonly signal: AbortSignal;
  readonly maxTokens: number;
  onTextChunk(text: string): void;
}

function world(
  says: (prompt: string, options: PromptOptions) => Promise<string>,
  broken: 'package' | 'context' | 'tokens' | undefined = undefined,
) {
  const seen: unknown[] = [];
  let loads = 0;
  let disposed = 0;
  const llama = {
    async loadModel({ modelPath }: { readonly modelPath: string }) {
      seen.push(modelPath);
      const tokenize = (text: string) => {
        if (broken === 'tokens') throw new Error('no such vocabulary');
        return text.split(/\s+/).map(({ length }) => length);
      };
      const createContext = async () => {
        if (broken === 'context') throw new Error('not enough memory for it');
        return { getSequence: () => ({}) };
      };
      return { createContext, tokenize };
    },
    async dispose() {
      disposed += 1;
    },
  };
  class LlamaChatSession {
    setChatHistory(history: readonly object[]): void {
      seen.push(history);
    }
    async promptWithMeta(prompt: string, options: object) {
      const { maxTokens } = options as PromptOptions;
      seen.push(prompt);
      const responseText = await says(prompt, options as PromptOptions);
      const stopReason = responseText.split(' ').length >= maxTokens ? 'maxTokens' : 'eogToken';
      return { responseText, stopReason };
    }
    dispose(): void {}
  }
  const clock = createVirtualClock();
  const loadPackage = async (): Promise<LlamaPackage> => {
    loads += 1;
    if (broken === 'package') throw new Error('Cannot find package');
    return { getLlama: async () => llama, LlamaChatSession };
  };
  const server = createLlamaServer('local', file, { loadPackage, threads: 2, clock });
  const chat = (more: object = {}, leftMs = 1_000, signal?: AbortSignal) => {
    const messages = [
      { role: 'system', content: 'Rules.' },
      { role: 'user', content: 'Passages.' },
      { role: 'user', content: 'At which pressure?' },
    ];
    const request = { model: 'any', messages, ...more } as ChatRequest;
    return server.chat(request, { leftMs, ...(signal && { signal }) });
  };
  return { server, chat, clock, seen, loads: () => loads, disposed: () => disposed };
}

test('[LIB54] is loaded with its first question, once, and answers in OpenAI’s shape what it was asked last', async () => {
  const { server, chat, seen, loads, disposed } = world(async () => 'At 12 bar [1].');
  expect(loads()).toBe(0);
  expect(unwrap(await chat())).toMatchObject({
    completion: {
      object: 'chat.completion',
      choices: [{ finish_reason: 'stop', message: { content: 'At 12 bar [1].' } }],
      usage: { completion_tokens: 4 },
    },
  });
  await chat();
  expect(loads()).toBe(1);
  expect(seen.slice(0, 3)).toEqual([
    file.path,
    [{ type: 'system', text: 'Rules.' }],
    'Passages.\n\nAt which pressure?',
  ]);
  await server.close();
  expect(disposed()).toBe(1);
  expect(await chat()).toMatchObject({ error: { code: 'unavailable' } });
});

test('[LIB54] streams as it is said, and ends with why', async () => {
  const { chat } = world(async (_, { onTextChunk }) => {
    for (const text of ['At ', '12 bar.']) onTextChunk(text);
    return 'At 12 bar.';
  });
  const reply = unwrap(await chat({ stream: true, stream_options: { include_usage: true } }));
  const chunks: { choices: { delta: { content?: string }; finish_reason: string | null }[] }[] = [];
  if ('chunks' in reply)
    for await (const chunk of reply.chunks) chunks.push(unwrap(chunk) as never);
  expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe('At 12 bar.');
  expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe('stop');
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 3 } });
});

test('[LIB55] is ended at its deadline and by who leaves, and has one question at a time', async () => {
  const ended: boolean[] = [];
  const { chat, clock } = world(
    (_, { signal }) =>
      new Promise((resolve) =>
        signal.addEventListener('abort', () => {
          ended.push(true);
          resolve('At');
        }),
      ),
  );
  const slow = chat();
  expect(await chat()).toMatchObject({ error: { code: 'overloaded', retryable: true } });
  await new Promise((resolve) => setImmediate(resolve));
  while (clock.runNext(2_000)) {}
  expect(await slow).toMatchObject({ error: { code: 'deadline_exceeded' } });
  const gone = new AbortController();
  await new Promise((resolve) => setImmediate(resolve));
  const left = chat({}, 1_000, gone.signal);
  await new Promise((resolve) => setImmediate(resolve));
  gone.abort();
  expect((await left).ok).toBe(false);
  await new Promise((resolve) => setImmediate(resolve));
  expect(ended).toEqual([true, true]);
});

test('[LIB55] refuses what its context does not hold, and says what cannot be loaded', async () => {
  const { chat } = world(async () => 'Yes.');
  const long = [{ role: 'user', content: 'why '.repeat(400) }];
  expect(await chat({ messages: long })).toMatchObject({
    error: { code: 'too_large', message: expect.stringContaining('at most 300') },
  });
  const cut = unwrap(await world(async () => 'a '.repeat(5).trim()).chat({ max_tokens: 5 }));
  expect(cut).toMatchObject({ completion: { choices: [{ finish_reason: 'length' }] } });
  expect(await world(async () => '', 'package').chat()).toMatchObject({
    error: { code: 'runtime_failed', message: expect.stringContaining('Cannot find package') },
  });
});

test('[LIB55] leaves nothing loaded where its context cannot be made, and fails, and throws nothing, where it cannot read a text', async () => {
  const { chat, loads, disposed } = world(async () => '', 'context');
  for (const times of [1, 2]) {
    expect(await chat()).toMatchObject({
      error: { code: 'runtime_failed', message: 'tiny: not enough memory for it' },
    });
    expect([loads(), disposed()]).toEqual([times, times]);
  }
  const unread = world(async () => '', 'tokens');
  const error = { code: 'runtime_failed', message: 'tiny: no such vocabulary' };
  expect(await unread.chat()).toMatchObject({ error });
  expect(await unread.chat()).toMatchObject({ error });
});
