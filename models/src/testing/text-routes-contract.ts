// What the routes of OpenAI's API must do on either process, over real HTTP: the mock stands behind them, and is the only
// one that can answer.

import { request as httpRequest } from 'node:http';
import { describe, expect, it, vi } from 'vitest';
import type { OpenAiFlavour } from './mock-openai.ts';
import type { MockServer } from './mock-server.ts';

export interface ServedTextRoutes {
  /** With `/v1`. */
  readonly url: string;
  readonly mock: MockServer;
}

/** A body above it is refused; the routes under test are opened with this bound. */
export const contractBodyBytesMax = 4_096;

export function textRoutesContract(
  name: string,
  open: (flavour: OpenAiFlavour) => Promise<ServedTextRoutes>,
): void {
  const ask = (content: string, more: object = {}) => ({
    model: 'echo',
    messages: [{ role: 'user', content }],
    ...more,
  });
  const post = (url: string, path: string, body: unknown, init: RequestInit = {}) =>
    fetch(url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
      ...init,
    });
  const chat = (url: string, body: unknown, init: RequestInit = {}) =>
    post(url, '/chat/completions', body, init);
  const errorOf = async (response: Response) => {
    const { error } = (await response.json()) as { error: Record<string, unknown> };
    expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type']);
    return [response.status, error['type'], error['code']];
  };

  describe(`${name}: OpenAI's API`, () => {
    it('passes a completion on as it came: probabilities, calls of tools, what one server adds', async () => {
      const { url } = await open('llama.cpp');
      const tools = [{ type: 'function', function: { name: 'depth_of' } }];
      expect(await (await chat(url, ask('a b', { logprobs: true }))).json()).toMatchObject({
        choices: [
          {
            message: { role: 'assistant', content: 'a b' },
            logprobs: { content: [{ token: 'a ', logprob: Math.log(0.5) }, { token: 'b' }] },
          },
        ],
        usage: { total_tokens: 5 },
        timings: { predicted_ms: 1.5 },
      });
      const called = { name: 'depth_of', arguments: '{"depth": 3}' };
      expect(await (await chat(url, ask('a', { tools }))).json()).toMatchObject({
        choices: [{ finish_reason: 'tool_calls', message: { tool_calls: [{ function: called }] } }],
      });
    });

    it('streams chunks as they came, and says when it is done', async () => {
      const { url } = await open('vllm');
      const more = { stream: true, logprobs: true, stream_options: { include_usage: true } };
      const response = await chat(url, ask('a b', more));
      expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
      const events = eventsOf(await response.text());
      expect(events.at(-1)).toBe('[DONE]');
      const chunks = events.slice(0, -1).map((event) => JSON.parse(event));
      const choice = (delta: object, more: object = {}) => ({ choices: [{ delta, ...more }] });
      expect(chunks).toMatchObject([
        choice({ role: 'assistant', content: '' }),
        choice({ content: 'a ' }, { logprobs: { content: [{ token: 'a ' }] } }),
        choice({ content: 'b' }, { logprobs: { content: [{ token: 'b' }] } }),
        choice({}, { finish_reason: 'stop' }),
        { choices: [], usage: { total_tokens: 5 } },
      ]);
    });

    it.each<OpenAiFlavour>(['vllm', 'ollama'])(
      'gives embeddings in the order and the encoding that are asked for, whatever %s does',
      async (flavour) => {
        const { url } = await open(flavour);
        const embed = async (more: object) => {
          const reply = await post(url, '/embeddings', { model: 'echo', ...more });
          const { data } = (await reply.json()) as { data: { embedding: unknown }[] };
          return data.map(({ embedding }) => embedding);
        };
        const vectors = [
          [1, 0],
          [3, 1],
        ];
        const base64 = vectors.map((v) =>
          Buffer.from(Float32Array.from(v).buffer).toString('base64'),
        );
        const input = ['a', 'bbb'];
        expect(await embed({ input })).toEqual(vectors);
        expect(await embed({ input, encoding_format: 'float' })).toEqual(vectors);
        expect(await embed({ input, encoding_format: 'base64' })).toEqual(base64);
        expect(await embed({ input: 'bbb' })).toEqual([[3, 0]]);
      },
    );

    it('lists models, and tells of one', async () => {
      const { url } = await open('vllm');
      const model = { id: 'echo', object: 'model', created: 0, owned_by: 'skerry' };
      const get = async (path: string) => (await fetch(url + path)).json();
      expect(await get('/models')).toEqual({ object: 'list', data: [model] });
      expect(await get('/models/echo')).toEqual(model);
      for (const other of ['nobody', 'org/nobody', 'org%2Fnobody'])
        expect(await errorOf(await fetch(`${url}/models/${other}`))).toEqual([
          404,
          'invalid_request_error',
          'model_not_found',
        ]);
    });

    it.each<[string, unknown]>([
      ['no JSON', '{'],
      ['no object', []],
      ['no messages', { model: 'echo' }],
      ['no message in them', { model: 'echo', messages: [] }],
      ['no model', { messages: [{ role: 'user', content: 'a' }] }],
      ['a stream that is neither', { ...ask('a'), stream: 'yes' }],
    ])('refuses %s before anybody is asked', async (_, body) => {
      const { url, mock } = await open('vllm');
      const refused = await errorOf(await chat(url, body));
      expect(refused).toEqual([400, 'invalid_request_error', 'invalid_argument']);
      expect(mock.requests).toHaveLength(0);
    });

    it('refuses embeddings of nothing, and in an encoding that there is not', async () => {
      const { url } = await open('vllm');
      for (const body of [
        { model: 'm', input: [] },
        { model: 'm', input: '' },
        { model: 'm', input: 'a', encoding_format: 'int8' },
      ])
        expect((await errorOf(await post(url, '/embeddings', body)))[0]).toBe(400);
    });

    it('refuses a body above its bound, declared or not', async () => {
      const { url, mock } = await open('vllm');
      const long = ask('a'.repeat(contractBodyBytesMax));
      const refused = [413, 'invalid_request_error', 'too_large'];
      expect(await errorOf(await chat(url, long))).toEqual(refused);
      const undeclared = new Blob([JSON.stringify(long)]).stream();
      const init = { body: undeclared, duplex: 'half' } as RequestInit;
      expect(await errorOf(await chat(url, '', init))).toEqual(refused);
      expect(mock.requests).toHaveLength(0);
    });

    it('tells who is asked for what it does not know', async () => {
      const { url } = await open('vllm');
      const unknown = { ...ask('a'), model: 'nobody' };
      const notFound = [404, 'invalid_request_error', 'model_not_found'];
      expect(await errorOf(await chat(url, unknown))).toEqual(notFound);
      expect(await errorOf(await chat(url, { ...unknown, stream: true }))).toEqual(notFound);
      expect((await errorOf(await fetch(`${url}/chat/completions`)))[0]).toBe(404);
    });

    it('says when to come again while nobody can answer', async () => {
      const { url, mock } = await open('vllm');
      mock.mode = 'overloaded';
      for (const stream of [false, true]) {
        const busy = await chat(url, ask('a', { stream }));
        expect(Number(busy.headers.get('retry-after'))).toBeGreaterThan(0);
        expect(await errorOf(busy)).toEqual([503, 'overloaded_error', 'overloaded']);
      }
    });

    it('keeps the deadline that a request names', async () => {
      const { url, mock } = await open('vllm');
      mock.mode = 'slow';
      const within = (ms: string) => ({ headers: { 'skerry-deadline-ms': ms } });
      const late = await errorOf(await chat(url, ask('a', { stream: true }), within('40')));
      expect(late).toEqual([504, 'server_error', 'deadline_exceeded']);
      for (const none of ['0', '-1', 'soon', '1e3'])
        expect((await errorOf(await chat(url, ask('a'), within(none))))[0]).toBe(400);
    });

    it.each<[string, OpenAiFlavour]>([
      ['cut', 'vllm'],
      ['fail', 'vllm'],
      ['fail', 'llama.cpp'],
      ['fail', 'ollama'],
    ])(
      'says in a stream that it failed, and never that it is done: %s, %s',
      async (how, flavour) => {
        const { url } = await open(flavour);
        const response = await chat(url, ask(`one two ${how} four`, { stream: true }));
        expect(response.status).toBe(200);
        const events = eventsOf(await response.text());
        expect(events).not.toContain('[DONE]');
        expect(JSON.parse(events.at(-1) ?? '')).toMatchObject({
          error: { type: 'server_error', message: expect.any(String), code: expect.any(String) },
        });
        expect(events.length).toBeGreaterThan(1);
      },
    );

    it.each([
      ['before the first byte', 'a', 'slow'],
      ['in the middle of a stream', 'one two stall', 'ok'],
    ] as const)('lets go of whoever computes when its client leaves %s', async (_, text, mode) => {
      const { url, mock } = await open('vllm');
      mock.mode = mode;
      const asking = httpRequest(`${url}/chat/completions`, { method: 'POST' });
      asking.on('error', () => {});
      let heard = '';
      asking.on('response', (response) => {
        response.on('error', () => {});
        response.on('data', (bytes) => {
          heard += bytes;
        });
      });
      asking.end(JSON.stringify(ask(text, { stream: true })));
      await vi.waitFor(() => expect(mock.requests).toHaveLength(1));
      if (mode === 'ok') await vi.waitFor(() => expect(heard).toContain('two'));
      expect(mock.left).toBe(0);
      asking.destroy();
      await vi.waitFor(() => expect(mock.left).toBe(1));
    });
  });
}

/** The data of the events of a stream. */
const eventsOf = (text: string): string[] =>
  text.split('\n\n').flatMap((event) => (event.startsWith('data: ') ? [event.slice(6)] : []));
