// OpenAI's own client against our servers as processes, with servers of texts behind them that behave as the real ones.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type OpenAiFlavour, startOpenAiMock } from '@skerry/models/testing';
import OpenAI, { APIError, AuthenticationError, BadRequestError, NotFoundError } from 'openai';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type SkerryProcess, startProcess } from '../fleet/process.ts';

const question = [{ role: 'user' as const, content: 'what is a skerry' }];
const upstreamOf = (name: string, url: string, more: object = {}) => ({
  name,
  kind: 'openai',
  url,
  ...more,
});

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-openai-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function writeAnswers(folder: string): Promise<string> {
  const file = join(folder, 'answers.json');
  const answers = [{ question: 'What is a skerry?', answer: 'A rock.' }];
  await writeFile(file, JSON.stringify({ answers }));
  return file;
}

async function startCoordinator(
  folder: string,
  upstreams: readonly object[],
  flags: Readonly<Record<string, string | number>> = {},
): Promise<SkerryProcess> {
  const coordinator = await startProcess('coordinator', 'coordinator', {
    'data-dir': join(folder, 'coordinator'),
    'http-port': 0,
    'mqtt-port': 0,
    upstreams: JSON.stringify(upstreams),
    ...flags,
  });
  onTestFinished(coordinator.stop);
  return coordinator;
}

const clientOf = ({ httpUrl }: SkerryProcess, more: object = {}): OpenAI =>
  new OpenAI({ baseURL: `${httpUrl}/v1`, apiKey: 'none', maxRetries: 0, ...more });

describe('OpenAI’s client on a coordinator', { timeout: 60_000 }, () => {
  const start = async (flavour: OpenAiFlavour) => {
    const folder = await temporaryFolder();
    const mock = await startOpenAiMock(flavour);
    const answers = { name: 'answers', kind: 'precomputed', file: await writeAnswers(folder) };
    const coordinator = await startCoordinator(folder, [upstreamOf(flavour, mock.url), answers]);
    return { mock, coordinator, client: clientOf(coordinator) };
  };

  it('chats, streams, embeds and lists, and falls back to what was written down', async () => {
    const { mock, client } = await start('vllm');
    const { data } = await client.models.list();
    expect(data.map(({ id }) => id)).toEqual(['echo']);
    expect(await client.models.retrieve('echo')).toMatchObject({ object: 'model' });

    const asked = { model: 'echo', messages: question, logprobs: true };
    const whole = await client.chat.completions.create(asked);
    expect(whole.choices[0]?.message.content).toBe('what is a skerry');
    expect(whole.choices[0]?.logprobs?.content?.[0]?.logprob).toBeCloseTo(Math.log(0.5));

    const stream = client.chat.completions.stream({
      ...asked,
      stream_options: { include_usage: true },
    });
    const streamed = await stream.finalChatCompletion();
    expect(streamed.choices[0]?.message.content).toBe('what is a skerry');
    expect(streamed.usage?.completion_tokens).toBe(4);

    const tools = [{ type: 'function' as const, function: { name: 'depth_of' } }];
    const called = await client.chat.completions.stream({ ...asked, tools }).finalChatCompletion();
    expect(called.choices[0]?.message.tool_calls?.[0]).toMatchObject({
      id: 'call_1',
      function: { name: 'depth_of', arguments: '{"depth": 3}' },
    });

    for (const more of [{}, { encoding_format: 'float' as const }]) {
      const embedded = await client.embeddings.create({
        model: 'echo',
        input: ['a', 'bbb'],
        ...more,
      });
      expect(embedded.data.map(({ embedding }) => embedding)).toEqual([
        [1, 0],
        [3, 1],
      ]);
    }

    mock.mode = 'broken';
    const written = await client.chat.completions.create({ model: 'echo', messages: question });
    expect(written.choices[0]?.message.content).toBe('A rock.');
  });

  it('gives vectors whole where the server behind knows no base64', async () => {
    const { client } = await start('ollama');
    const { data } = await client.embeddings.create({ model: 'echo', input: 'abc' });
    expect(data[0]?.embedding).toEqual([3, 0]);
  });

  it('hears errors as the ones it knows, and a stream’s in the middle of it', async () => {
    const { mock, client, coordinator } = await start('llama.cpp');
    const create = (more: object) =>
      client.chat.completions.create({ model: 'echo', messages: question, ...more });
    await expect(create({ messages: [] })).rejects.toBeInstanceOf(BadRequestError);
    await expect(client.models.retrieve('nobody')).rejects.toBeInstanceOf(NotFoundError);
    const other = [{ role: 'user' as const, content: 'one two fail four' }];
    const stream = await client.chat.completions.create({
      model: 'echo',
      messages: other,
      stream: true,
    });
    const read = async () => {
      for await (const _ of stream);
    };
    await expect(read()).rejects.toBeInstanceOf(APIError);
    mock.mode = 'overloaded';
    await expect(create({ messages: other })).rejects.toMatchObject({
      status: 404,
      code: 'not_found',
    });
    const retrying = clientOf(coordinator, { maxRetries: 2 });
    mock.mode = 'ok';
    const well = await retrying.chat.completions.create({ model: 'echo', messages: other });
    expect(well.choices).toHaveLength(1);
  });

  it('lets go of who computes when it aborts', async () => {
    const { mock, client } = await start('vllm');
    const messages = [{ role: 'user' as const, content: 'one two stall' }];
    const stream = await client.chat.completions.create({ model: 'echo', messages, stream: true });
    const heard: string[] = [];
    for await (const chunk of stream) {
      heard.push(chunk.choices[0]?.delta.content ?? '');
      if (heard.includes('two ')) break;
    }
    await vi.waitFor(() => expect(mock.left).toBe(1), { timeout: 5_000 });
  });

  it('[IDN13] shows the operator’s token as its API key', async () => {
    const folder = await temporaryFolder();
    const mock = await startOpenAiMock('vllm');
    const token = 'the-operator-token-of-one-coordinator';
    const upstreams = [upstreamOf('vllm', mock.url)];
    const coordinator = await startCoordinator(folder, upstreams, { 'operator-token': token });
    await expect(clientOf(coordinator).models.list()).rejects.toBeInstanceOf(AuthenticationError);
    const { data } = await clientOf(coordinator, { apiKey: token }).models.list();
    expect(data).toHaveLength(1);
  });
});
