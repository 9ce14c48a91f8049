// OpenAI's own client against our servers as processes, with servers of texts behind them that behave as the real ones.

import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { operatorCommands } from '@skerry/cloud-coordinator';
import { startOpenAiMock } from '@skerry/models/testing';
import { trainTextRouter } from '@skerry/models/text-router';
import OpenAI, { APIError, AuthenticationError, BadRequestError, NotFoundError } from 'openai';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { linkOf, openCertifiedFleet, operatorToken } from '../fleet/certified-fleet.ts';
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
  it('[IDN13] shows its key, chats, streams, embeds and lists, and falls back to what was written down', async () => {
    const folder = await temporaryFolder();
    const [vllm, ollama] = [await startOpenAiMock('vllm'), await startOpenAiMock('ollama')];
    const upstreams = [
      upstreamOf('vllm', vllm.url, { models: { large: 'echo' } }),
      upstreamOf('ollama', ollama.url, { models: { small: 'echo' } }),
      { name: 'answers', kind: 'precomputed', file: await writeAnswers(folder) },
    ];
    const apiKey = 'the-operator-token-of-one-coordinator';
    const coordinator = await startCoordinator(folder, upstreams, { 'operator-token': apiKey });
    await expect(clientOf(coordinator).models.list()).rejects.toBeInstanceOf(AuthenticationError);
    const client = clientOf(coordinator, { apiKey });
    const { data } = await client.models.list();
    expect(data.map(({ id }) => id)).toEqual(['large', 'small']);
    expect(await client.models.retrieve('large')).toMatchObject({ object: 'model' });

    const asked = { model: 'large', messages: question, logprobs: true };
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

    // Ollama knows no base64, which this client asks for unless it is told otherwise.
    for (const model of ['large', 'small'])
      for (const more of [{}, { encoding_format: 'float' as const }]) {
        const embedded = await client.embeddings.create({ model, input: ['a', 'bbb'], ...more });
        const vectors = embedded.data.map(({ embedding }) => embedding);
        expect(vectors).toEqual([
          [1, 0],
          [3, 1],
        ]);
      }

    vllm.mode = 'broken';
    const written = await client.chat.completions.create({ model: 'large', messages: question });
    expect(written.choices[0]?.message.content).toBe('A rock.');
  });

  it('hears errors as the ones it knows, also in a stream, and lets go of who computes', async () => {
    const mock = await startOpenAiMock('llama.cpp');
    const upstreams = [upstreamOf('llama', mock.url)];
    const coordinator = await startCoordinator(await temporaryFolder(), upstreams);
    const client = clientOf(coordinator);
    const asked = (content: string) => ({
      model: 'echo',
      messages: [{ role: 'user' as const, content }],
    });
    const create = (content: string) => client.chat.completions.create(asked(content));
    const stream = (content: string) =>
      client.chat.completions.create({ ...asked(content), stream: true });
    const none = client.chat.completions.create({ model: 'echo', messages: [] });
    await expect(none).rejects.toBeInstanceOf(BadRequestError);
    await expect(client.models.retrieve('nobody')).rejects.toBeInstanceOf(NotFoundError);

    const failing = await stream('one two fail four');
    const read = async () => {
      for await (const _ of failing);
    };
    await expect(read()).rejects.toBeInstanceOf(APIError);

    for await (const { choices } of await stream('one two stall'))
      if (choices[0]?.delta.content === 'two ') break;
    await vi.waitFor(() => expect(mock.left).toBe(1), { timeout: 5_000 });

    mock.mode = 'overloaded';
    await expect(create('a')).rejects.toMatchObject({ status: 503, code: 'overloaded' });
    mock.mode = 'ok';
    expect((await create('a')).choices).toHaveLength(1);
  });
});

/** A router that trusts the weak model with the depth of water, and with no sums. */
async function writeRouter(folder: string): Promise<string> {
  const questions = Array.from({ length: 20 }, (_, i) => [
    { text: `how deep is the water at ${i}`, weakRight: true, strongRight: true },
    {
      text: `what is the sum of 3 and ${i} and a half percent`,
      weakRight: false,
      strongRight: true,
    },
  ]).flat();
  const file = join(folder, 'router.json');
  await writeFile(file, JSON.stringify({ ...trainTextRouter(questions), threshold: 0.8 }));
  return file;
}

const easy = [{ role: 'user' as const, content: 'how deep is the water at 7' }];
const hard = [{ role: 'user' as const, content: 'what is the sum of 3 and 7 and a half percent' }];

/** Of somebody without a certificate. */
async function statusOf(url: string, headers: Record<string, string>): Promise<number> {
  const asking = request(url, { headers, rejectUnauthorized: false }).end();
  const [response] = await once(asking, 'response');
  response.resume();
  return response.statusCode;
}

/** What a device says of its answer, which is none of OpenAI's fields. */
const decisionOf = (completion: object): unknown => (completion as { skerry?: unknown }).skerry;

describe('OpenAI’s client on a device', { timeout: 90_000 }, () => {
  it('is answered at home or by the cloud, as the question and the link are, and hears which', async () => {
    const folder = await temporaryFolder();
    const [weak, strong] = [await startOpenAiMock('ollama'), await startOpenAiMock('vllm')];
    const coordinator = await startCoordinator(folder, [upstreamOf('strong', strong.url)]);
    const agent = await startProcess('agent', 'device-1', {
      'data-dir': join(folder, 'agent'),
      'http-port': 0,
      broker: coordinator.mqttUrl ?? '',
      'coordinator-url': coordinator.httpUrl,
      'text-upstream': weak.url,
      'text-router': await writeRouter(folder),
      'text-answers': await writeAnswers(folder),
    });
    onTestFinished(agent.stop);
    await vi.waitFor(async () => expect(await linkOf(agent)).toBe('up'), { timeout: 10_000 });
    const client = clientOf(agent);
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['echo']);
    const ask = async (messages: typeof easy) => {
      const asking = client.chat.completions.create({ model: 'echo', messages });
      const { data, response } = await asking.withResponse();
      expect(response.headers.get('skerry-source')).toBe(
        (decisionOf(data) as { source: string }).source,
      );
      return decisionOf(data);
    };
    expect(await ask(easy)).toMatchObject({
      source: 'local',
      reason: 'confident',
      degraded: false,
    });
    expect(await ask(hard)).toMatchObject({ source: 'cloud', reason: 'not confident' });
    expect([weak.requests.length, strong.requests.length]).toEqual([1, 1]);

    const stream = await client.chat.completions.create({
      model: 'echo',
      messages: hard,
      stream: true,
    });
    const chunks: object[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(chunks.map(decisionOf)).toMatchObject([
      { source: 'cloud' },
      ...chunks.slice(1).map(() => undefined),
    ]);
    expect(strong.requests).toHaveLength(2);

    const embedded = await client.embeddings.create({ model: 'echo', input: ['a', 'bbb'] });
    expect(embedded.data[1]?.embedding).toEqual([3, 1]);
    expect(decisionOf(embedded)).toMatchObject({ source: 'local', degraded: false });

    const broken = await client.chat.completions.create({
      model: 'echo',
      messages: [{ role: 'user', content: 'the sum stall half percent' }],
      stream: true,
    });
    const read = async () => {
      for await (const { choices } of broken)
        if (choices[0]?.delta.content === 'sum ') await coordinator.kill();
    };
    await expect(read()).rejects.toBeInstanceOf(APIError);
    expect(await ask(hard)).toMatchObject({ source: 'local', degraded: true });
    weak.mode = 'broken';
    const written = await client.chat.completions.create({ model: 'echo', messages: question });
    expect(written.choices[0]?.message.content).toBe('A rock.');
    expect(decisionOf(written)).toMatchObject({ source: 'answers', degraded: true });
    await expect(ask(hard)).rejects.toMatchObject({ status: 503 });
    const metrics = await (await fetch(`${agent.httpUrl}/metrics`)).text();
    expect(metrics).toContain('skerry_text_answers_total{source="answers",degraded="true"} 1');
    expect(agent.lastWords()).not.toContain('how deep');
  });

  it('[IDN13] reaches the coordinator’s upstreams by the device’s certificate, and as nobody else', async () => {
    const fleet = await openCertifiedFleet(onTestFinished);
    const mock = await startOpenAiMock('vllm');
    const coordinator = await fleet.startCoordinator({
      'mqtt-port': 0,
      upstreams: JSON.stringify([upstreamOf('vllm', mock.url)]),
    });
    const token = await operatorCommands.token([
      ...['--device', 'device-1', '--data-dir', fleet.dataDir],
    ]);
    if (!token.ok) throw new Error(token.error.message);
    const agent = await fleet.startAgent('device-1', {
      broker: coordinator.mqttUrl ?? '',
      'coordinator-url': coordinator.httpUrl,
      'join-token': token.value,
    });
    const client = clientOf(agent);
    await vi.waitFor(
      async () => {
        const completion = await client.chat.completions.create({ model: 'echo', messages: easy });
        expect(decisionOf(completion)).toMatchObject({ source: 'cloud' });
      },
      { timeout: 20_000, interval: 200 },
    );
    const stream = client.chat.completions.stream({ model: 'echo', messages: easy });
    expect((await stream.finalChatCompletion()).choices[0]?.message.content).toBe(easy[0]?.content);
    const models = `${coordinator.httpUrl}/v1/models`;
    expect(await statusOf(models, { 'skerry-device': 'device-1' })).toBe(401);
    expect(await statusOf(models, { authorization: `Bearer ${operatorToken}` })).toBe(200);
  });
});
