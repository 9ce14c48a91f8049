// The agent with a library, its cloud played by hand at the other end of a pipe: what only the agent's own wiring can do.

import { createResidency, type Runtime } from '@skerry/models';
import { err, failure, silentLog } from '@skerry/shared';
import { createSystemRandom, systemClock } from '@skerry/shared/node';
import { unwrap } from '@skerry/shared/testing';
import { createExchangeHandler, type Question, serveExchanges } from '@skerry/sync-protocol';
import { createWorkerEngine } from '@skerry/sync-protocol/automerge';
import {
  createMemoryCoordinatorDisk,
  createMemoryCoordinatorStore,
  createMemoryPipe,
} from '@skerry/sync-protocol/testing';
import { expect, it, onTestFinished, vi } from 'vitest';
import { packTensor } from './adapters/pack-tensor.ts';
import { createSqliteConversationStore } from './adapters/sqlite-conversation-store.ts';
import { openDatabase } from './adapters/sqlite-database.ts';
import { createSqliteDeviceStore } from './adapters/sqlite-device-store.ts';
import { createSqliteDocumentStore } from './adapters/sqlite-document-store.ts';
import { createSqliteEscalationStore } from './adapters/sqlite-escalation-store.ts';
import { createSqliteQuestionStore } from './adapters/sqlite-question-store.ts';
import { createSqliteRouteStore } from './adapters/sqlite-route-store.ts';
import { createAgent } from './agent.ts';
import { agentConfigSchema } from './config.ts';
import { openTestLibrary } from './testing/cached-library.ts';

const pump = 'The pump of the cooling circuit is bled at the brass valve above the motor.';

const noRuntime = (): Runtime => ({
  name: 'none',
  executionProviders: ['cpu'],
  load: async () => err(failure('invalid_bundle', 'no model runs here')),
  close: async () => {},
});

async function open() {
  const closers: (() => unknown)[] = [];
  onTestFinished(async () => {
    for (const close of closers.reverse()) await close();
  });
  const pipe = createMemoryPipe(systemClock);
  const cloud = createMemoryCoordinatorStore(createMemoryCoordinatorDisk());
  const asked: Question[] = [];
  const transport = pipe.listen();
  const handler = createExchangeHandler(
    {
      store: cloud,
      clock: systemClock,
      onAccepted(_, fresh) {
        for (const { body } of fresh) if (body.kind === 'question') asked.push(body);
      },
      hint: (device, message) => void transport.send(device, message),
    },
    { holdMs: 20 },
  );
  serveExchanges(transport, handler, silentLog);

  const world = await openTestLibrary();
  closers.push(world.close);
  await world.add('pump.md', pump);
  const config = agentConfigSchema.parse({ libraryAnswerModel: 'big' });
  const database = unwrap(openDatabase(':memory:'));
  closers.push(() => database.close());
  const documentEngine = createWorkerEngine();
  closers.push(() => documentEngine.close());
  const agent = unwrap(
    await createAgent(config, {
      ...{ bundles: [], createRuntime: noRuntime, residency: createResidency(1024 * 1024) },
      store: unwrap(createSqliteDeviceStore(database, 'device-1', () => 'epoch-1', config)),
      escalations: createSqliteEscalationStore(database, config),
      routeStore: createSqliteRouteStore(database),
      documents: createSqliteDocumentStore(database),
      documentEngine,
      transport: pipe.connect('device-1'),
      pack: packTensor,
      library: {
        library: world.library,
        caches: {
          answers: world.cache,
          ...{ vectors: world.vectors, precomputed: world.precomputed, quoting: world.quoting },
        },
        questions: createSqliteQuestionStore(database, config),
        conversations: createSqliteConversationStore(database, config, systemClock.nowMs),
        readInThread: async () => err(failure('unavailable', 'no thread reads here')),
      },
      ...{ clock: systemClock, random: createSystemRandom(), log: silentLog },
    }),
  );
  closers.push(() => agent.close());
  const ask = async (question: string) => {
    const messages = [{ role: 'user', content: question }];
    const body = JSON.stringify({ model: 'library', messages });
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body };
    const reply = await agent.app.request('/v1/chat/completions', init);
    return (await reply.json()) as { library: { pending?: string; recalled?: object } };
  };
  const say = async (requestId: string, text: string) => {
    const outcome = { kind: 'said' as const, text, model: 'big' };
    await cloud.append('device-1', { kind: 'said', requestId, outcome }, Date.now());
    handler.news('device-1');
  };
  const late = async (id: string) => (await agent.app.request(`/v1/answers/${id}`)).json();
  return { ask, say, late, asked, setLink: (up: boolean) => pipe.setLink('device-1', up) };
}

it('[CAC13] what an agent was told late it says at once when it is asked again, though its link is down', async () => {
  const { ask, say, late, asked, setLink } = await open();
  const question = 'Who won the regatta in Venice last summer?';
  const { pending = '' } = (await ask(question)).library;
  await vi.waitFor(() => expect(asked.map(({ requestId }) => requestId)).toEqual([pending]));
  await say(pending, `${pump.slice(0, -1)} [1].`);
  await vi.waitFor(async () => expect(await late(pending)).toMatchObject({ delivery: 'late' }));
  setLink(false);
  await vi.waitFor(async () =>
    expect((await ask(question)).library).toMatchObject({
      recalled: { cache: 'exact', source: 'cloud' },
    }),
  );
});
