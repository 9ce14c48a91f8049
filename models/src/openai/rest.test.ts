import { err, failure, ok } from '@skerry/shared';
import { createVirtualClock } from '@skerry/shared/testing';
import { describe, expect, it } from 'vitest';
import { readerTimeoutMs } from './event-stream.ts';
import { createTextHandler } from './rest.ts';
import { embeddingInputsMax, type TextServer, type TextTerms } from './text-server.ts';

const limits = { bodyBytesMax: 10_000, deadlineMs: 500, deadlineMsMax: 1_000 };
const asked = { model: 'm', messages: [{ role: 'user', content: 'a' }], stream: true };

/** Streams without end, and keeps the terms that it was asked on. */
function fresh(more: Partial<TextServer> = {}) {
  const clock = createVirtualClock();
  const heard: TextTerms[] = [];
  const server: TextServer = {
    name: 'server',
    list: async () => ok(['org/small', 'b']),
    async chat(_, terms) {
      heard.push(terms);
      return ok({
        chunks: (async function* () {
          for (;;) yield ok({ choices: [] });
        })(),
      });
    },
    ...more,
  };
  const handle = createTextHandler(server, limits, clock);
  const ask = (path: string, body?: unknown, headers: Record<string, string> = {}) =>
    handle(
      new Request(`http://here/v1${path}`, {
        headers,
        ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
      }),
      path,
    );
  return { clock, heard, ask };
}

describe('a handler of OpenAI’s API', () => {
  it('ends a stream that nobody reads any more', async () => {
    const { clock, heard, ask } = fresh();
    const reply = await ask('/chat/completions', asked);
    const reader = reply.ok ? reply.value.body?.getReader() : undefined;
    for (let i = 0; i < 3; i++) {
      expect((await reader?.read())?.done).toBe(false);
      await new Promise((resolve) => setImmediate(resolve));
      expect(clock.runNext(clock.nowMs() + readerTimeoutMs - 1)).toBe(false);
    }
    expect(heard[0]?.signal?.aborted).toBe(false);
    expect(clock.runNext(clock.nowMs() + 1)).toBe(true);
    expect(heard[0]?.signal?.aborted).toBe(true);
    await expect(reader?.read().then(() => reader.read())).rejects.toThrow();
  });

  it('takes the time that a request names, up to a bound', async () => {
    const { heard, ask } = fresh();
    for (const ms of [undefined, '30', '5000'])
      await ask('/chat/completions', asked, ms === undefined ? {} : { 'skerry-deadline-ms': ms });
    expect(heard.map(({ leftMs }) => leftMs)).toEqual([500, 30, 1_000]);
  });

  it.each(['/models/org/small', '/models/org%2Fsmall'])('finds a model at %s', async (path) => {
    const found = await fresh().ask(path);
    expect(found.ok && (await found.value.json())).toMatchObject({ id: 'org/small' });
  });

  it('says a decision in headers, whatever stands in it', async () => {
    const decision = { source: 'local', reason: 'caf\u00e9\n', degraded: true };
    const { ask } = fresh({ chat: async () => ok({ completion: { id: 1 }, decision }) });
    const reply = await ask('/chat/completions', { ...asked, stream: false });
    if (!reply.ok) throw new Error(reply.error.message);
    expect(reply.value.headers.get('skerry-reason')).toBe('caf??');
    expect(await reply.value.json()).toEqual({ id: 1, skerry: decision });
  });

  it('takes as many texts as OpenAI does, and no more', async () => {
    const embed = async (count: number) => {
      const data = Array.from({ length: count }, (_, index) => ({ index, embedding: [1] }));
      const { ask } = fresh({ embed: async () => ok({ embeddings: { data } }) });
      return ask('/embeddings', { model: 'm', input: data.map(() => 'a') });
    };
    expect(await embed(embeddingInputsMax)).toMatchObject({ ok: true });
    expect(await embed(embeddingInputsMax + 1)).toMatchObject({
      error: { code: 'invalid_argument' },
    });
  });

  it('refuses embeddings that are not as many as the texts', async () => {
    const embeddings = { data: [{ index: 1, embedding: [1] }] };
    const { ask } = fresh({ embed: async () => ok({ embeddings }) });
    for (const input of ['a', ['a', 'b']])
      expect(await ask('/embeddings', { model: 'm', input })).toMatchObject({
        error: { code: 'runtime_failed' },
      });
    expect(await fresh().ask('/embeddings', { model: 'm', input: 'a' })).toMatchObject({
      error: { code: 'model_not_found' },
    });
  });

  it('passes on that the models cannot be listed', async () => {
    const { ask } = fresh({ list: async () => err(failure('unavailable', 'away')) });
    for (const path of ['/models', '/models/b'])
      expect(await ask(path)).toMatchObject({ error: { code: 'unavailable' } });
  });
});
