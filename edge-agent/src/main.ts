#!/usr/bin/env node
// The agent as a process: chooses the adapters.

import type { Server } from 'node:http';
import { join } from 'node:path';
import { createAdaptorServer } from '@hono/node-server';
import { createResidency, executionProperties } from '@skerry/models';
import { createOnnxNativePool, openGrpc } from '@skerry/models/node';
import { createId, err, failure, type Log, ok, type Result } from '@skerry/shared';
import {
  createSystemRandom,
  listenHttp,
  memoryLimitBytes,
  type Opened,
  runProcess,
  systemClock,
  type TlsMaterial,
} from '@skerry/shared/node';
import { createWorkerEngine } from '@skerry/sync-protocol/automerge';
import { Hono } from 'hono';
import { certificateSite } from './adapters/certificate-site.ts';
import { createClientRunner } from './adapters/client-runner.ts';
import { createCoordinatorFetch } from './adapters/coordinator-fetch.ts';
import { createEnrolmentClient } from './adapters/enrolment-client.ts';
import { createFallbackTransport } from './adapters/fallback-transport.ts';
import { createFetchTurns } from './adapters/fetch-turns.ts';
import { holdDirectory } from './adapters/hold-directory.ts';
import { createHttpDeviceTransport } from './adapters/http-transport.ts';
import { createIdentityFiles } from './adapters/identity-files.ts';
import { createMqttTopic } from './adapters/mqtt-topic.ts';
import { createMqttDeviceTransport } from './adapters/mqtt-transport.ts';
import { openBlobs } from './adapters/open-blobs.ts';
import { openLearning } from './adapters/open-learning.ts';
import { openLibrary } from './adapters/open-library.ts';
import { openRelay } from './adapters/open-relay.ts';
import { openRelayLink } from './adapters/open-relay-link.ts';
import { openText } from './adapters/open-text.ts';
import { openUpdating } from './adapters/open-updating.ts';
import { packTensor } from './adapters/pack-tensor.ts';
import { createPostgresRows } from './adapters/postgres-rows.ts';
import { readFactories } from './adapters/read-factories.ts';
import { createReadingThreads } from './adapters/reading-threads.ts';
import { createSqliteConversationStore } from './adapters/sqlite-conversation-store.ts';
import { openDatabase, type SqliteDatabase } from './adapters/sqlite-database.ts';
import { createSqliteDeviceStore } from './adapters/sqlite-device-store.ts';
import { createSqliteDocumentStore } from './adapters/sqlite-document-store.ts';
import { createSqliteEscalationStore } from './adapters/sqlite-escalation-store.ts';
import { createSqliteQuestionStore } from './adapters/sqlite-question-store.ts';
import { createSqliteRouteStore } from './adapters/sqlite-route-store.ts';
import { createSqliteRows } from './adapters/sqlite-rows.ts';
import { createSqliteSourceStore } from './adapters/sqlite-source-store.ts';
import { createSqliteWebhookCursor } from './adapters/sqlite-webhook-cursor.ts';
import { createSysfsPower } from './adapters/sysfs-power.ts';
import { createWatchedFolder } from './adapters/watched-folder.ts';
import { createWebhookClient } from './adapters/webhook-client.ts';
import { createAgent } from './agent.ts';
import { type AgentConfig, agentConfigSchema } from './config.ts';
import { type IdentityKeeper, openIdentity, tlsOf } from './fleet/identity.ts';
import { refusePlaintext } from './fleet/plaintext.ts';
import { ownPagesOnly } from './http/own-pages.ts';

/** The rest is the agent itself, its store's pages, and the app beside it. */
const modelsMemoryShare = 0.5;

await runProcess({ name: 'skerry-agent', schema: agentConfigSchema, start });

async function start(config: AgentConfig, log: Log, opened: Opened): Promise<Result<void>> {
  const clock = systemClock;
  const random = createSystemRandom();
  const wanted = refusePlaintext(config);
  if (!wanted.ok) return wanted;
  if (config.webhookUrl !== undefined && config.webhookSecret === undefined)
    return err(failure('invalid_config', 'a webhook needs --webhook-secret'));
  const held = holdDirectory(config.dataDir);
  if (!held.ok) return held;
  opened.push(held.value);
  const database = openDatabase(join(config.dataDir, 'agent.db'));
  if (!database.ok) return database;
  opened.push(() => database.value.close());
  const factories = await readFactories(config.bundles, config.variant, database.value);
  if (!factories.ok) return factories;
  const newEpoch = (): string => createId(clock.nowMs(), random);
  const store = createSqliteDeviceStore(database.value, config.device, newEpoch, config);
  if (!store.ok) return store;
  // The port first, for another agent may have it, and the broker last: it would think us that agent.
  let fetch: (request: Request) => Promise<Response> = starting;
  const server = createAdaptorServer({ fetch: (request) => fetch(request) }) as Server;
  const http = await listenHttp(server, config.httpHost, config.httpPort);
  if (!http.ok) return http;
  const identity = openDeviceIdentity(config, log);
  if (!identity.ok) return identity;
  opened.push(identity.value.close);
  const { device, broker: brokerUrl } = config;
  // A broker that knows us by a user name's password has a certificate that the system's authorities know.
  const ourTls = (): TlsMaterial | undefined => {
    const current = identity.value.current();
    return current && tlsOf(current);
  };
  const tls = isMutual(brokerUrl) ? ourTls : undefined;
  const mqtt = createMqttDeviceTransport({ device, brokerUrl, tls }, { clock, random, log });
  const { coordinatorUrl } = config;
  const coordinator = createCoordinatorFetch(ourTls);
  opened.push(coordinator.close);
  const httpPorts = { fetch: coordinator.fetch, clock, random, log };
  const transport =
    coordinatorUrl === undefined
      ? mqtt
      : createFallbackTransport(
          mqtt,
          () => createHttpDeviceTransport({ device, coordinatorUrl }, httpPorts),
          clock,
        );
  opened.push(transport.close);
  const { relayUrl } = config;
  const relayLink =
    relayUrl === undefined
      ? ok(undefined)
      : openRelayLink({ ...config, relayUrl }, { tls: ourTls, clock, random, log });
  if (!relayLink.ok) return relayLink;
  if (relayLink.value !== undefined) opened.push(relayLink.value.close);
  let onAppended = (): void => {};
  const blobs = await openBlobs(config, {
    database: database.value,
    store: store.value,
    ...httpPorts,
    pipe: mqtt.blobs,
    relayFetch: relayLink.value?.fetch,
    onAppended: () => onAppended(),
  });
  if (!blobs.ok) return blobs;
  opened.push(blobs.value.close);
  const documentEngine = createWorkerEngine();
  opened.push(() => documentEngine.close());
  const relay = await openRelay(config, {
    identity: identity.value,
    database: database.value,
    serveCopy: blobs.value.serveCopy,
    clock,
    log,
  });
  if (!relay.ok) return relay;
  if (relay.value !== undefined) opened.push(relay.value.close);
  const memoryForModels = config.memoryBytesMax ?? memoryLimitBytes() * modelsMemoryShare;
  const text = await openText(config, httpPorts, memoryForModels);
  if (!text.ok) return text;
  opened.push(text.value.close);
  const memoryBytesMax = memoryForModels - text.value.memoryBytes;
  const updates = await openUpdating(config, {
    database: database.value,
    store: store.value,
    blobs: blobs.value.updates,
    ...httpPorts,
    memoryBytesMax,
  });
  if (!updates.ok) return updates;
  const { createRuntime } = createOnnxNativePool(config.workers, {
    executionProviders: config.executionProviders,
    onLeft: (execution) =>
      log.error(executionProperties([execution]), 'a session goes on on the cpu'),
  });
  const library = await openLibrary(config, { createRuntime, ...httpPorts });
  if (!library.ok) return library;
  opened.push(library.value.close);
  const agent = await createAgent(config, {
    ...factories.value,
    createRuntime,
    library: {
      ...library.value,
      questions: createSqliteQuestionStore(database.value, config),
      conversations: createSqliteConversationStore(database.value, config, clock.nowMs),
      fetchTurns: createFetchTurns(config, coordinator.fetch),
      readInThread: createReadingThreads(),
      sources: {
        store: createSqliteSourceStore(database.value),
        openFolder: (source) => createWatchedFolder(source.folder, source),
        openTopic: (source) => createMqttTopic(source, config.device, { clock, random, log }),
        openRows: (source) =>
          source.kind === 'sqlite' ? createSqliteRows(source) : createPostgresRows(source),
      },
      travel: { trust: updates.value?.trust, blobs: blobs.value.collections },
    },
    residency: createResidency(memoryBytesMax),
    store: store.value,
    escalations: createSqliteEscalationStore(database.value, config),
    routeStore: createSqliteRouteStore(database.value),
    documents: createSqliteDocumentStore(database.value),
    documentEngine,
    relay: relay.value,
    relayLink: relayLink.value,
    transport,
    pack: packTensor,
    largeInputs: blobs.value.largeInputs,
    text: text.value,
    updates: updates.value,
    learning: openLearning(
      {
        examplesMax: config.learnExamplesMax,
        bytesMax: config.learnBytesMax,
        retentionMs: config.learnRetentionMs,
      },
      {
        database: database.value,
        store: store.value,
        transport: blobs.value.learning,
        runner: createClientRunner({
          device: config.device,
          policy: { thresholdMin: config.learnSumMin, adversary: config.learnServer },
          identity: identity.value.current,
          clock,
        }),
        nowMs: clock.nowMs,
        onAppended: () => onAppended(),
      },
    ),
    ...openWebhook(config, database.value),
    power: createSysfsPower(clock),
    clock,
    random,
    log,
  });
  if (!agent.ok) return agent;
  opened.push(agent.value.close, http.value.close);
  const { grpcPort: port, httpHost: host, bodyBytesMax } = config;
  const grpc = await openGrpc(agent.value.openInference, { host, port, bodyBytesMax });
  if (!grpc.ok) return grpc;
  if (grpc.value) opened.push(grpc.value.close);
  // Closes first: whoever waits for the cloud is answered while both ports still can.
  opened.push(agent.value.drain);
  onAppended = agent.value.notifyAppended;
  const app = new Hono().use(ownPagesOnly(config.httpHost)).route('/v1', blobs.value.routes);
  app.all('*', (c) => agent.value.app.fetch(c.req.raw, c.env));
  fetch = async (request) => app.fetch(request);
  const where = {
    httpUrl: http.value.url,
    relayUrl: relay.value?.url,
    grpcPort: grpc.value?.port,
  };
  log.info({ device: config.device, ...where }, 'listening');
  return ok(undefined);
}

function openWebhook(
  { webhookUrl: url, webhookSecret: secret }: AgentConfig,
  database: SqliteDatabase,
) {
  if (url === undefined || secret === undefined) return {};
  const send = createWebhookClient({ url, secret }, systemClock);
  return { webhook: { send, cursor: createSqliteWebhookCursor(database) } };
}

function openDeviceIdentity(config: AgentConfig, log: Log): Result<IdentityKeeper> {
  const { device, site, joinToken, coordinatorUrl } = config;
  if (joinToken !== undefined && coordinatorUrl === undefined)
    return err(failure('invalid_config', 'a join token needs --coordinator-url'));
  return openIdentity(
    { device, site, joinToken },
    {
      store: createIdentityFiles(config.dataDir),
      client: createEnrolmentClient(coordinatorUrl),
      siteOf: certificateSite,
      clock: systemClock,
      random: createSystemRandom(),
      log,
    },
  );
}

function isMutual(url: string): boolean {
  const { protocol, username } = new URL(url);
  return protocol === 'mqtts:' && username === '';
}

async function starting(): Promise<Response> {
  const error = { error: 'the agent is starting', code: 'unavailable' };
  return Response.json(error, { status: 503 });
}
