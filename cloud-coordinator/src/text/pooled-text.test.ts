import { createOpenAiServer } from '@skerry/models/node';
import { createPrecomputedAnswers, createTextHandler } from '@skerry/models/openai';
import {
  contractBodyBytesMax,
  openAiFlavours,
  startOpenAiMock,
  textRoutesContract,
  textServerContract,
} from '@skerry/models/testing';
import { createRandom } from '@skerry/shared';
import { listenHttp, systemClock } from '@skerry/shared/node';
import { createHttpServer } from '@skerry/sync-protocol/http';
import { Hono } from 'hono';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { textRoutes } from '../http/text.ts';
import { createTextUpstream } from '../infer/upstreams/text-upstream.ts';
import {
  createUpstreamPool,
  type PoolMember,
  type UpstreamPool,
  upstreamPoolDefaults,
} from '../infer/upstreams/upstream-pool.ts';
import { createPooledText } from './pooled-text.ts';

const memberOf = (name: string, url: string, more: Partial<PoolMember> = {}): PoolMember => ({
  upstream: createTextUpstream(createOpenAiServer(name, url)),
  models: { '*': '*' },
  tier: 0,
  weight: 1,
  concurrentMax: 4,
  ...more,
});

function poolOf(...members: readonly PoolMember[]): UpstreamPool {
  const pool = createUpstreamPool(members, upstreamPoolDefaults, {
    clock: systemClock,
    random: createRandom(1),
  });
  onTestFinished(pool.close);
  return pool;
}

for (const flavour of openAiFlavours)
  textServerContract(
    `upstreams, ${flavour}`,
    async () => {
      const mock = await startOpenAiMock(flavour);
      return { mock, server: createPooledText(poolOf(memberOf(flavour, mock.url))) };
    },
    { refusesOthers: flavour !== 'llama.cpp' },
  );

textRoutesContract('coordinator', async (flavour) => {
  const mock = await startOpenAiMock(flavour);
  const handle = createTextHandler(
    createPooledText(poolOf(memberOf(flavour, mock.url))),
    {
      bodyBytesMax: contractBodyBytesMax,
      deadlineMs: 5_000,
      deadlineMsMax: 5_000,
    },
    systemClock,
  );
  const app = new Hono().route('/v1', textRoutes(handle));
  const { server } = createHttpServer((request) => app.fetch(request), undefined);
  const listening = await listenHttp(server, '127.0.0.1', 0);
  if (!listening.ok) throw new Error(listening.error.message);
  onTestFinished(listening.value.close);
  return { mock, url: `${listening.value.url}/v1` };
});

describe('texts over several upstreams', () => {
  const ask = (content: string, more: object = {}) => ({
    model: 'echo',
    messages: [{ role: 'user', content }],
    ...more,
  });
  const terms = { leftMs: 5_000 };

  it('fall back, whole or streamed, down to what was written down before', async () => {
    const [first, second] = [await startOpenAiMock('vllm'), await startOpenAiMock('ollama')];
    const file = Buffer.from(JSON.stringify({ answers: [], otherwise: 'later' }));
    const answers = createPrecomputedAnswers('answers', file, systemClock);
    if (!answers.ok) throw new Error(answers.error.message);
    const last = { ...memberOf('last', ''), upstream: createTextUpstream(answers.value) };
    const pool = poolOf(memberOf('first', first.url), memberOf('second', second.url, { tier: 1 }), {
      ...last,
      tier: 11,
      always: true,
    });
    const text = createPooledText(pool);
    first.mode = 'broken';
    for (const stream of [false, true])
      expect(await text.chat(ask('a', { stream }), terms)).toMatchObject({ ok: true });
    expect([first.requests.length, second.requests.length]).toEqual([2, 2]);
    second.mode = 'overloaded';
    expect(await text.chat(ask('a'), terms)).toMatchObject({
      value: { completion: { choices: [{ message: { content: 'later' } }] } },
    });
  });

  it('ask nobody else once a stream has begun, and hold its upstream busy until it ends', async () => {
    const [first, second] = [await startOpenAiMock('vllm'), await startOpenAiMock('vllm')];
    const pool = poolOf(memberOf('first', first.url), memberOf('second', second.url, { tier: 1 }));
    const reply = await createPooledText(pool).chat(ask('one two cut', { stream: true }), terms);
    expect(pool.status()[0]).toMatchObject({ underWay: 1, succeeded: 0 });
    if (!reply.ok || !('chunks' in reply.value)) throw new Error('no stream');
    const ends: boolean[] = [];
    for await (const chunk of reply.value.chunks) ends.push(chunk.ok);
    expect(ends.at(-1)).toBe(false);
    expect(pool.status()[0]).toMatchObject({ underWay: 0, succeeded: 0, failed: 1 });
    expect(second.requests).toHaveLength(0);
  });

  it('are nobody’s fault and nobody’s merit where the client leaves, and the upstream is free again', async () => {
    const mock = await startOpenAiMock('vllm');
    const pool = poolOf(memberOf('first', mock.url));
    const gone = new AbortController();
    const asked = ask('one two stall', { stream: true });
    await createPooledText(pool).chat(asked, { ...terms, signal: gone.signal });
    gone.abort();
    await vi.waitFor(() => expect(mock.left).toBe(1));
    expect(pool.status()[0]).toMatchObject({ underWay: 0, succeeded: 0, failed: 0 });
  });

  it('go by the upstream’s own name of a model', async () => {
    const mock = await startOpenAiMock('vllm');
    const text = createPooledText(poolOf(memberOf('v', mock.url, { models: { small: 'echo' } })));
    expect(await text.list(terms)).toEqual({ ok: true, value: ['small'] });
    expect(await text.chat({ ...ask('a'), model: 'small' }, terms)).toMatchObject({ ok: true });
    expect(await text.embed({ model: 'small', input: 'a' }, terms)).toMatchObject({ ok: true });
    expect(JSON.parse(mock.requests[0]?.body.toString() ?? '')).toMatchObject({ model: 'echo' });
  });

  it('do not tell a client that its key is wrong where ours is', async () => {
    const { upstream, ...rest } = memberOf('v', '');
    const refused = async () => ({
      ok: false as const,
      error: { code: 'unauthenticated' as const, message: 'no key', retryable: false },
    });
    const text = createPooledText(poolOf({ ...rest, upstream: { ...upstream, chat: refused } }));
    expect(await text.chat(ask('a'), terms)).toMatchObject({ error: { code: 'unavailable' } });
  });
});
