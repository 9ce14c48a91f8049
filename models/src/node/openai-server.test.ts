import { createVirtualClock } from '@skerry/shared/testing';
import { describe, expect, it } from 'vitest';
import { openAiFlavours, startOpenAiMock } from '../testing/mock-openai.ts';
import { textServerContract } from '../testing/text-server-contract.ts';
import { chunkTimeoutMs, createOpenAiServer, streamTimeoutMs } from './openai-server.ts';

for (const flavour of openAiFlavours)
  textServerContract(
    flavour,
    async () => {
      const mock = await startOpenAiMock(flavour);
      return { mock, server: createOpenAiServer(flavour, mock.url) };
    },
    { refusesOthers: flavour !== 'llama.cpp' },
  );

describe('what travels to a server', () => {
  const request = { model: 'echo', messages: [{ role: 'user', content: 'a' }] };

  it('is its key, and the time that is left', async () => {
    const mock = await startOpenAiMock('vllm');
    const server = createOpenAiServer('vllm', `${mock.url}/v1/`, { apiKey: 'sk-1' });
    mock.apiKey = 'sk-1';
    expect(await server.chat(request, { leftMs: 4_000.5 })).toMatchObject({ ok: true });
    expect(await createOpenAiServer('v', mock.url).list({ leftMs: 4_000 })).toMatchObject({
      error: { code: 'unauthenticated' },
    });
    expect(mock.requests[0]).toMatchObject({
      path: '/v1/chat/completions',
      headers: { authorization: 'Bearer sk-1', 'skerry-deadline-ms': '4000' },
    });
  });

  it('of an error back is its text, and when to come again', async () => {
    const mock = await startOpenAiMock('vllm');
    const server = createOpenAiServer('vllm', mock.url);
    mock.mode = 'overloaded';
    expect(await server.chat(request, { leftMs: 4_000 })).toMatchObject({
      error: {
        code: 'overloaded',
        message: expect.stringContaining('too many'),
        retryAfterMs: 2_000,
      },
    });
  });
});

describe('a stream', () => {
  const event = `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: 'a' } }] })}\n\n`;

  /** Chunks every `everyMs`, for ever; time passes while one is waited for. */
  function drip(everyMs: number) {
    const clock = createVirtualClock();
    let cancelled = false;
    const body = new ReadableStream<Uint8Array>(
      {
        pull: (controller) =>
          new Promise((resolve) => {
            clock.after(everyMs, () => {
              if (!cancelled) controller.enqueue(new TextEncoder().encode(event));
              resolve();
            });
          }),
        cancel() {
          cancelled = true;
        },
      },
      { highWaterMark: 0 },
    );
    const server = createOpenAiServer('drip', 'http://drip', {
      clock,
      fetch: async () => new Response(body),
    });
    const run = async <T>(work: Promise<T>): Promise<T> => {
      let done = false;
      void work.finally(() => {
        done = true;
      });
      while (!done) {
        await new Promise((resolve) => setImmediate(resolve));
        if (!done) clock.runNext(Number.POSITIVE_INFINITY);
      }
      return work;
    };
    return { server, run, clock, cancelled: () => cancelled };
  }

  it.each([
    ['falls silent', chunkTimeoutMs + 1, 1, chunkTimeoutMs],
    ['never ends', chunkTimeoutMs - 1, 11, streamTimeoutMs],
  ])('that %s is ended, with the reason', async (_, everyMs, chunksMax, untilMs) => {
    const { server, run, clock, cancelled } = drip(everyMs);
    const request = { model: 'm', messages: [{ role: 'user' }], stream: true };
    const reply = await run(server.chat(request, { leftMs: 10 * streamTimeoutMs }));
    if (!reply.ok || !('chunks' in reply.value)) throw new Error('no stream');
    const beganMs = clock.monotonicMs();
    const iterator = reply.value.chunks[Symbol.asyncIterator]();
    let chunks = 0;
    for (;;) {
      const next = await run(iterator.next());
      if (next.done) break;
      if (next.value.ok) chunks += 1;
      else expect(next.value).toMatchObject({ error: { code: 'deadline_exceeded' } });
    }
    expect(clock.monotonicMs() - beganMs).toBe(untilMs);
    expect(chunks).toBe(chunksMax);
    expect(cancelled()).toBe(true);
  });
});
