import type { Server } from 'node:http';
import { createAdaptorServer } from '@hono/node-server';
import { createOpenAiServer } from '@skerry/models/node';
import {
  type ChatReply,
  createTextHandler,
  type TextDecision,
  type TextServer,
  type TextTerms,
} from '@skerry/models/openai';
import {
  contractBodyBytesMax,
  type OpenAiFlavour,
  startOpenAiMock,
  textRoutesContract,
  textServerContract,
} from '@skerry/models/testing';
import { createRandom, err, type FailureCode, failure, ok, type Result } from '@skerry/shared';
import { listenHttp, systemClock } from '@skerry/shared/node';
import { createVirtualClock, type VirtualClock } from '@skerry/shared/testing';
import { Hono } from 'hono';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type AgentConfig, agentConfigSchema } from '../config.ts';
import { textRoutes } from '../http/text.ts';
import type { LinkEstimate, Policy } from '../route/decide.ts';
import { openRouting } from '../route/open-routing.ts';
import { createDeviceText, type DeviceTextPorts } from './device-text.ts';
import type { TextSource } from './next-source.ts';

interface World {
  readonly text: ReturnType<typeof createDeviceText>;
  readonly clock: VirtualClock;
  link: LinkEstimate;
  battery: boolean;
  readonly decisions: TextDecision[];
  /** What the budgets were last saved with. */
  readonly spent: Map<string, number>;
}

function openWorld(
  sources: DeviceTextPorts['sources'],
  more: {
    readonly config?: Partial<AgentConfig>;
    readonly trusts?: (text: string) => number;
    readonly clock?: DeviceTextPorts['clock'];
  } = {},
): World {
  const config = { ...agentConfigSchema.parse({}), ...more.config };
  const clock = createVirtualClock();
  const random = createRandom(1);
  const decisions: TextDecision[] = [];
  const spent = new Map<string, number>();
  const { textRouter } = openRouting(config, [], {
    link: () => world.link,
    store: {
      budgets: {
        load: () => new Map(),
        save: (name, { tokens }) => void spent.set(name, tokens),
      },
      learned: { load: () => [], put() {}, remove() {} },
    },
    strain: () => (world.battery ? 'battery' : undefined),
    clock: more.clock ?? clock,
    random,
  });
  const { trusts } = more;
  const route = (text: string) => ({ to: 'weak' as const, confidence: trusts?.(text) ?? 0 });
  const text = createDeviceText(config, {
    sources,
    trusted: trusts && { router: { route }, threshold: 0.9 },
    router: textRouter,
    clock: more.clock ?? clock,
    random,
    onAnswer: (decision) => decisions.push(decision),
  });
  const world: World = { text, clock, link: { state: 'up' }, battery: false, decisions, spent };
  return world;
}

for (const source of ['local', 'cloud'] as const) {
  const open = async (flavour: OpenAiFlavour) => {
    const mock = await startOpenAiMock(flavour);
    const sources = { [source]: createOpenAiServer(source, mock.url) };
    return { mock, server: openWorld(sources, { clock: systemClock }).text };
  };
  textServerContract(`a device with its ${source}`, () => open('vllm'), { refusesOthers: true });

  textRoutesContract(`device, ${source}`, async (flavour) => {
    const { mock, server: text } = await open(flavour);
    const handle = createTextHandler(
      text,
      {
        bodyBytesMax: contractBodyBytesMax,
        deadlineMs: 5_000,
        deadlineMsMax: 5_000,
      },
      systemClock,
    );
    const app = new Hono().route('/v1', textRoutes({ text: handle }));
    const server = createAdaptorServer({ fetch: app.fetch }) as Server;
    const listening = await listenHttp(server, '127.0.0.1', 0);
    if (!listening.ok) throw new Error(listening.error.message);
    onTestFinished(listening.value.close);
    return { mock, url: `${listening.value.url}/v1` };
  });
}

interface Scripted extends TextServer {
  fails?: FailureCode | undefined;
  readonly asked: { readonly model: string; readonly leftMs: number }[];
}

/** Says its name. */
function scripted(name: string, models: readonly string[] = []): Scripted {
  const server: Scripted = {
    name,
    asked: [],
    list: async () => ok(models),
    chat: async ({ model }, { leftMs }) => said(model, leftMs, { completion: { said: name } }),
    embed: async ({ model }, { leftMs }) => said(model, leftMs, { embeddings: { said: name } }),
  };
  const said = <R>(model: string, leftMs: number, reply: R): Result<R> => {
    server.asked.push({ model, leftMs });
    return server.fails === undefined ? ok(reply) : err(failure(server.fails, name));
  };
  return server;
}

const request = { model: 'm', messages: [{ role: 'user', content: 'how deep' }] };
const terms: TextTerms = { leftMs: 10_000 };

describe('a text is decided on before it is asked', () => {
  const all = () => ({
    local: scripted('local'),
    cloud: scripted('cloud'),
    answers: scripted('answers'),
  });
  type Failing = Partial<Record<TextSource, FailureCode>>;
  type Expected = Partial<TextDecision> | FailureCode;
  const confident = { source: 'local', reason: 'confident', degraded: false, confidence: 0.95 };
  const local = (reason: string) => ({ source: 'local', reason, degraded: true });
  const cloud = (reason: string) => ({ source: 'cloud', reason, degraded: false });
  const answers = (reason: string) => ({ source: 'answers', reason, degraded: true });
  const sure = 0.95;
  const unsure = 0.5;

  it.each<[Policy, number, LinkEstimate['state'], Failing, Expected]>([
    ['sync-with-deadline', sure, 'up', {}, confident],
    ['sync-with-deadline', sure, 'down', {}, confident],
    ['sync-with-deadline', sure, 'up', { local: 'overloaded' }, cloud('local overloaded')],
    ['sync-with-deadline', unsure, 'up', {}, cloud('not confident')],
    ['sync-with-deadline', unsure, 'up', { cloud: 'unavailable' }, local('cloud unavailable')],
    [
      'sync-with-deadline',
      unsure,
      'up',
      { cloud: 'model_not_found' },
      local('cloud model_not_found'),
    ],
    ['sync-with-deadline', unsure, 'up', { cloud: 'invalid_argument' }, 'invalid_argument'],
    ['sync-with-deadline', unsure, 'down', {}, local('link down')],
    ['sync-with-deadline', unsure, 'down', { local: 'unavailable' }, cloud('local unavailable')],
    [
      'sync-with-deadline',
      unsure,
      'up',
      { cloud: 'unavailable', local: 'overloaded' },
      answers('cloud unavailable, local overloaded'),
    ],
    [
      'sync-with-deadline',
      unsure,
      'up',
      { cloud: 'overloaded', local: 'model_not_found', answers: 'not_found' },
      'overloaded',
    ],
    ['edge-only', sure, 'up', {}, confident],
    ['edge-only', unsure, 'up', {}, local('policy edge-only')],
    ['edge-only', sure, 'up', { local: 'unavailable' }, answers('local unavailable')],
    ['edge-then-async', unsure, 'up', {}, local('policy edge-then-async')],
    ['cloud-only', sure, 'up', {}, cloud('cloud-only')],
    ['cloud-only', sure, 'down', {}, local('link down')],
  ])(
    '%s, confidence %d, link %s, failing %j',
    async (policy, confidence, state, failing, expected) => {
      const sources = all();
      for (const source of ['local', 'cloud', 'answers'] as const) {
        const code = failing[source];
        if (code !== undefined) sources[source].fails = code;
      }
      const world = openWorld(sources, { trusts: () => confidence });
      world.link = { state };
      const reply = await world.text.chat(request, { ...terms, policy });
      if (typeof expected === 'string') {
        expect(reply).toMatchObject({ error: { code: expected } });
        return;
      }
      expect(reply).toMatchObject({
        value: { completion: { said: expected.source }, decision: expected },
      });
      expect(world.decisions).toMatchObject([expected]);
    },
  );

  it('by the policy of the configuration where a request names none, and by none that there is not', async () => {
    const { text } = openWorld(all(), { config: { policy: 'edge-only' } });
    const reply = await text.chat(request, terms);
    expect(reply).toMatchObject({ value: { decision: { reason: 'policy edge-only' } } });
    expect(await text.chat(request, { ...terms, policy: 'cloud' })).toMatchObject({
      error: { code: 'invalid_argument' },
    });
  });

  it('by its last question', async () => {
    const heard: string[] = [];
    const { text } = openWorld(all(), { trusts: (question) => heard.push(question) && 1 });
    await text.chat(request, terms);
    expect(heard).toEqual(['how deep']);
  });

  it('with nobody to fall back on, however slow the link seems to be', async () => {
    const there = scripted('cloud');
    const world = openWorld({ cloud: there });
    for (const state of ['up', 'down', 'stalled'] as const) {
      world.link = { state };
      expect(await world.text.chat(request, terms)).toMatchObject({
        value: { decision: { source: 'cloud' } },
      });
    }
    for (const policy of ['edge-only', 'edge-then-async'] as const)
      expect(await world.text.chat(request, { ...terms, policy })).toMatchObject(
        policy === 'edge-only'
          ? { error: { code: 'unavailable', message: 'policy edge-only', retryAfterMs: 5_000 } }
          : { value: { decision: { source: 'cloud' } } },
      );
    world.battery = true;
    expect(await world.text.chat(request, terms)).toMatchObject({
      error: { code: 'unavailable', message: 'the battery is low' },
    });
  });

  it('with nobody at all, and says when to come again', async () => {
    expect(await openWorld({}).text.chat(request, terms)).toMatchObject({
      error: { code: 'unavailable', retryAfterMs: 5_000 },
    });
  });

  it('leaves the local model the time that it takes, half of what there is before that is known', async () => {
    const sources = all();
    const { local: slow, cloud: there } = sources;
    there.fails = 'unavailable';
    const world = openWorld({
      ...sources,
      local: {
        ...slow,
        chat(asked, left) {
          world.clock.runNext(world.clock.nowMs() + 2_000);
          return slow.chat(asked, left);
        },
      },
    });
    for (let i = 0; i < 8; i++) await world.text.chat(request, terms);
    expect(there.asked[0]?.leftMs).toBe(terms.leftMs / 2 - 5);
    await world.text.chat(request, terms);
    expect(there.asked.at(-1)?.leftMs).toBe(terms.leftMs - 2_000 - 5);
    expect(slow.asked.at(-1)?.leftMs).toBe(terms.leftMs);
  });

  it('asks a cloud that keeps failing no more, while the local model answers', async () => {
    const sources = all();
    sources.cloud.fails = 'unavailable';
    const world = openWorld(sources);
    for (let i = 0; i < 40; i++)
      expect(await world.text.chat(request, terms)).toMatchObject({ ok: true });
    expect(sources.cloud.asked).toHaveLength(20);
    expect(world.decisions.at(-1)?.reason).toBe('the cloud keeps missing deadlines');
    sources.cloud.fails = undefined;
    world.clock.runNext(world.clock.nowMs() + 5_000);
    const sides = await Promise.all([1, 2].map(() => world.text.chat(request, terms)));
    expect(sides).toMatchObject([
      { value: { decision: { source: 'cloud' } } },
      { value: { decision: { source: 'local', reason: 'the cloud keeps missing deadlines' } } },
    ]);
    expect(sources.cloud.asked).toHaveLength(21);
  });

  it('pays from the budgets of the hour, and stays at home where they are spent', async () => {
    const sources = all();
    const world = openWorld(sources, { config: { escalationsPerHour: 2 } });
    for (let i = 0; i < 4; i++) await world.text.chat(request, terms);
    expect(world.spent.get('requests')).toBe(0);
    expect(world.decisions.map(({ source }) => source)).toEqual([
      'cloud',
      'cloud',
      'local',
      'local',
    ]);
    expect(world.decisions.at(-1)?.reason).toBe('budget: requests');
  });

  it('pays for the bytes that travel, whatever letters they are of', async () => {
    const world = openWorld(all(), { config: { escalationBytesPerHour: 1_000_000 } });
    const asked = { ...request, messages: [{ role: 'user', content: 'tiefe Wässer 深い' }] };
    await world.text.chat(asked, terms);
    expect(world.spent.get('bytes')).toBe(1_000_000 - Buffer.byteLength(JSON.stringify(asked)));
  });

  it('asks the local model by its own name, the cloud by the one of the request', async () => {
    const sources = all();
    const world = openWorld(sources, { config: { textUpstreamModel: 'small' } });
    await world.text.chat(request, terms);
    await world.text.chat(request, { ...terms, policy: 'edge-only' });
    expect(sources.cloud.asked).toMatchObject([{ model: 'm' }]);
    expect(sources.local.asked).toMatchObject([{ model: 'small' }]);
  });
});

describe('embeddings', () => {
  const embed = (world: World, model: string, policy: Policy = 'sync-with-deadline') =>
    world.text.embed({ model, input: 'a' }, { ...terms, policy });

  it('come from the local server where it has that very model, and are then not degraded', async () => {
    const world = openWorld({
      local: scripted('local', ['mini']),
      cloud: scripted('cloud'),
      answers: scripted('answers'),
    });
    expect(await embed(world, 'mini')).toMatchObject({
      value: { embeddings: { said: 'local' }, decision: { source: 'local', degraded: false } },
    });
    expect(await embed(world, 'mini', 'cloud-only')).toMatchObject({
      value: { decision: { source: 'cloud' } },
    });
    world.link = { state: 'down' };
    expect(await embed(world, 'mini')).toMatchObject({ value: { decision: { source: 'local' } } });
  });

  it('of a model that is not here never come from another', async () => {
    const cloud = scripted('cloud');
    const world = openWorld({ local: scripted('local', ['other']), cloud, answers: scripted('a') });
    expect(await embed(world, 'mini')).toMatchObject({ value: { decision: { source: 'cloud' } } });
    cloud.fails = 'unavailable';
    expect(await embed(world, 'mini')).toMatchObject({
      error: { code: 'unavailable', retryAfterMs: 5_000 },
    });
    expect(await embed(world, 'mini', 'edge-only')).toMatchObject({
      error: { message: 'policy edge-only' },
    });
  });

  it('find a server that was away at first', async () => {
    const local = scripted('local', ['mini']);
    const list = vi.fn(local.list).mockResolvedValueOnce(err(failure('unavailable', 'away')));
    const world = openWorld({ local: { ...local, list } });
    expect(await embed(world, 'mini')).toMatchObject({ ok: false });
    expect(await embed(world, 'mini')).toMatchObject({ ok: false });
    world.clock.runNext(5_000);
    expect(await embed(world, 'mini')).toMatchObject({ ok: true });
    expect(await embed(world, 'mini')).toMatchObject({ ok: true });
    expect(list).toHaveBeenCalledTimes(2);
  });

  it('wait once, all together, for a local server that hangs, and then no more for a while', async () => {
    const local = scripted('local', ['mini']);
    const list = vi.fn<TextServer['list']>(() => new Promise(() => {}));
    const world = openWorld({ local: { ...local, list }, cloud: scripted('cloud') });
    const there = { value: { decision: { source: 'cloud' } } };
    const asked = [1, 2].map(() => embed(world, 'mini'));
    world.clock.runNext(2_000);
    world.clock.runNext(2_000);
    expect(await Promise.all(asked)).toMatchObject([there, there]);
    expect(await embed(world, 'mini')).toMatchObject(there);
    expect(list).toHaveBeenCalledTimes(1);
  });

  it('wait for it no longer than they have', async () => {
    const local = { ...scripted('local'), list: () => new Promise<never>(() => {}) };
    const { text, clock } = openWorld({ local });
    const asked = text.list({ leftMs: 100 });
    clock.runNext(100);
    expect(clock.nowMs()).toBe(100);
    expect(await asked).toEqual({ ok: true, value: [] });
  });
});

describe('texts under way', () => {
  it('are as many as may be; who comes then hears when to come again', async () => {
    const never = new Promise<never>(() => {});
    const local = { ...scripted('local'), chat: () => never };
    const { text } = openWorld({ local }, { config: { textRequestsMax: 2 } });
    for (let i = 0; i < 2; i++) void text.chat(request, terms);
    expect(await text.chat(request, terms)).toMatchObject({
      error: { code: 'overloaded', retryAfterMs: 1_000 },
    });
  });

  it('include a stream until it ends, or nobody reads it any more', async () => {
    const stream = async (): Promise<Result<ChatReply>> =>
      ok({
        chunks: (async function* () {
          yield ok({ choices: [] });
        })(),
      });
    const local = { ...scripted('local'), chat: stream };
    const { text } = openWorld({ local }, { config: { textRequestsMax: 1 } });
    const full = { error: { code: 'overloaded' } };
    const reply = await text.chat(request, terms);
    expect(await text.chat(request, terms)).toMatchObject(full);
    if (!reply.ok || !('chunks' in reply.value)) throw new Error('no stream');
    for await (const chunk of reply.value.chunks) expect(chunk.ok).toBe(true);
    const gone = new AbortController();
    expect(await text.chat(request, { ...terms, signal: gone.signal })).toMatchObject({ ok: true });
    expect(await text.chat(request, terms)).toMatchObject(full);
    gone.abort();
    expect(await text.chat(request, terms)).toMatchObject({ ok: true });
  });
});
