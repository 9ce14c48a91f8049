// What every TextServer must do, whoever answers. An adapter's whole test is one call for each server that it speaks to.
// Its model is `echo`, or what repeats the question; see mock-openai.ts.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it, vi } from 'vitest';
import type { ChatReply, ChatRequest, JsonObject, TextServer } from '../openai/text-server.ts';
import type { MockMode, MockServer } from './mock-server.ts';

export interface OpenedTextServer {
  readonly server: TextServer;
  /** Who computes, where that is a mock. */
  readonly mock?: MockServer;
}

export interface TextServerTraits {
  /** Whether a model of another name is refused. */
  readonly refusesOthers: boolean;
}

export function textServerContract(
  name: string,
  open: () => Promise<OpenedTextServer>,
  { refusesOthers }: TextServerTraits,
): void {
  const terms = { leftMs: 5_000 };
  const ask = (content: string, more: JsonObject = {}): ChatRequest => ({
    model: 'echo',
    messages: [{ role: 'user', content }],
    ...more,
  });

  describe(`${name}: a TextServer`, () => {
    it('answers whole', async () => {
      const { server } = await open();
      const reply = await server.chat(ask('what is a skerry'), terms);
      expect(reply).toMatchObject({
        value: {
          completion: {
            object: 'chat.completion',
            choices: [{ message: { content: 'what is a skerry' }, finish_reason: 'stop' }],
          },
        },
      });
    });

    it('answers in chunks, with the usage where it is asked for', async () => {
      const { server } = await open();
      const more = { stream: true, stream_options: { include_usage: true } };
      const chunks = await chunksOf(await server.chat(ask('what is a skerry', more), terms));
      expect(textOf(chunks)).toBe('what is a skerry');
      expect(chunks.at(-1)).toMatchObject({ value: { choices: [], usage: {} } });
      const without = await chunksOf(await server.chat(ask('a', { stream: true }), terms));
      expect(without.at(-1)).toMatchObject({ value: { choices: [{ finish_reason: 'stop' }] } });
    });

    it('passes on what was asked, and nothing else', async () => {
      const { server, mock } = await open();
      if (mock === undefined) return;
      const tools = [{ type: 'function', function: { name: 'depth_of', parameters: {} } }];
      const asked = ask('how deep', { tools, tool_choice: 'auto' });
      expect(await server.chat(asked, terms)).toMatchObject({
        value: {
          completion: {
            choices: [{ message: { tool_calls: [{ function: { name: 'depth_of' } }] } }],
          },
        },
      });
      expect(JSON.parse(mock.requests.at(-1)?.body.toString() ?? '')).toEqual(asked);
    });

    it('embeds', async () => {
      const { server } = await open();
      if (server.embed === undefined) return;
      expect(await server.embed({ model: 'echo', input: ['a', 'bbb'] }, terms)).toMatchObject({
        value: { embeddings: { data: expect.arrayContaining([expect.anything()]) } },
      });
    });

    it('lists its models', async () => {
      const { server, mock } = await open();
      const listed = await server.list(terms);
      expect(listed).toEqual({ ok: true, value: mock === undefined ? [] : ['echo'] });
    });

    it('does not know a model that it does not have', async () => {
      const { server } = await open();
      if (!refusesOthers) return;
      for (const stream of [false, true])
        expect(
          await server.chat({ ...ask('a', { stream }), model: 'nobody' }, terms),
        ).toMatchObject({ error: { code: 'model_not_found' } });
    });

    it.each<[MockMode, RegExp]>([
      ['overloaded', /overloaded/],
      ['broken', /unavailable/],
      ['strange', /runtime_failed|unavailable/],
    ])('fails retryably when its server is %s, and answers when it is not', async (mode, code) => {
      const { server, mock } = await open();
      if (mock === undefined) return;
      for (const stream of [false, true]) {
        mock.mode = mode;
        expect(await server.chat(ask('a', { stream }), terms)).toMatchObject({
          error: { code: expect.stringMatching(code), retryable: true },
        });
        mock.mode = 'ok';
        expect(await server.chat(ask('a', { stream }), terms)).toMatchObject({ ok: true });
      }
    });

    it('keeps the deadline, whatever its server does', async () => {
      const { server, mock } = await open();
      if (mock === undefined) return;
      mock.mode = 'slow';
      for (const stream of [false, true])
        expect(await server.chat(ask('a', { stream }), { leftMs: 30 })).toMatchObject({
          error: { code: 'deadline_exceeded' },
        });
    });

    it.each(['cut', 'fail'])('ends a stream with what went wrong: %s', async (how) => {
      const { server, mock } = await open();
      if (mock === undefined) return;
      const asked = ask(`one two ${how} four`, { stream: true });
      const chunks = await chunksOf(await server.chat(asked, terms));
      expect(textOf(chunks)).toMatch(/^one two/);
      expect(chunks.at(-1)).toMatchObject({ ok: false, error: { retryable: true } });
      expect(chunks.filter(({ ok }) => !ok)).toHaveLength(1);
    });

    it('lets go when nobody waits any more, before an answer and in the middle of one', async () => {
      const { server, mock } = await open();
      if (mock === undefined) return;
      const middle = new AbortController();
      const asked = ask('one two stall', { stream: true });
      const reply = await server.chat(asked, { ...terms, signal: middle.signal });
      expect(reply).toMatchObject({ ok: true });
      expect(mock.left).toBe(0);
      collectGarbage();
      middle.abort();
      await vi.waitFor(() => expect(mock.left).toBe(1));
      const chunks = await chunksOf(reply);
      expect(chunks.at(-1)).toMatchObject({ ok: false });

      mock.mode = 'slow';
      const before = new AbortController();
      const asking = server.chat(asked, { ...terms, signal: before.signal });
      await vi.waitFor(() => expect(mock.requests).toHaveLength(2));
      before.abort();
      expect(await asking).toMatchObject({ ok: false });
      await vi.waitFor(() => expect(mock.left).toBe(2));
    });
  });
}

/** What only a collected object loses is lost for certain. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
}

type Chunk = { readonly ok: boolean; readonly value?: JsonObject };

async function chunksOf(
  reply: { readonly ok: true; readonly value: ChatReply } | { readonly ok: false },
): Promise<Chunk[]> {
  if (!reply.ok || !('chunks' in reply.value))
    throw new Error(`no stream: ${JSON.stringify(reply)}`);
  const chunks: Chunk[] = [];
  for await (const chunk of reply.value.chunks) chunks.push(chunk);
  return chunks;
}

function textOf(chunks: readonly Chunk[]): string {
  type Choices = readonly { readonly delta?: { readonly content?: string } }[];
  return chunks
    .flatMap(({ value }) =>
      ((value?.['choices'] ?? []) as Choices).map(({ delta }) => delta?.content),
    )
    .join('');
}
