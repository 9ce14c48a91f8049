// The coordinator as a process, but for its first line: chooses the adapters.

import { availableParallelism } from 'node:os';
import { createResidency, executionProperties } from '@skerry/models';
import {
  createOnnxNativePool,
  openDeltaMaker,
  openGrpc,
  readEmbedder,
  readVariants,
} from '@skerry/models/node';
import { textPaths } from '@skerry/models/openai';
import { collect, type Log, ok, type Result, sleep } from '@skerry/shared';
import {
  createSystemRandom,
  createSystemRandomBytes,
  listenHttp,
  memoryLimitBytes,
  type Opened,
  openFilesMax,
  systemClock,
} from '@skerry/shared/node';
import { createWorkerEngine } from '@skerry/sync-protocol/automerge';
import {
  createExchangeRoutes,
  createHttpServer,
  createHttpTransport,
  joinTransports,
  type PeerEnvironment,
  type PeerIdentity,
  type PeerSecurity,
} from '@skerry/sync-protocol/http';
import { createCertificateVerifier, createNodeCryptography } from '@skerry/sync-protocol/node';
import { Hono } from 'hono';
import type { CoordinatorConfig } from '../config.ts';
import { createCoordinator } from '../coordinator.ts';
import { type CredentialTable, createEnrolment } from '../fleet/enrolment.ts';
import { instanceName } from '../fleet/instances.ts';
import { openOperators } from '../fleet/operators.ts';
import { planSecurity } from '../fleet/plan-security.ts';
import { openRevocations } from '../fleet/revocations.ts';
import { blobRoutes } from '../http/blobs.ts';
import { conversationRoutes } from '../http/conversations.ts';
import { enrolmentRoutes } from '../http/enrolment.ts';
import {
  adminOnly,
  createOperatorCheck,
  type OperatorEnvironment,
  operatorGate,
  textGate,
} from '../http/operator-gate.ts';
import { registryRoutes } from '../http/registry.ts';
import { trustMetadataRoutes } from '../http/trust-metadata.ts';
import { createMetrics, type Metrics } from '../observe/metrics.ts';
import { goodForSeconds } from '../update/trust/describe.ts';
import { keepFresh } from '../update/trust/keep-fresh.ts';
import { createMetadataPacks } from '../update/trust/metadata-packs.ts';
import { type EmbeddedBroker, openEmbeddedBroker } from './embedded-broker.ts';
import { createGroupCommit } from './group-commit.ts';
import { createMosquittoRevocations } from './mosquitto-revocations.ts';
import { createMqttCoordinatorTransport } from './mqtt-transport.ts';
import { openBlobs } from './open-blobs.ts';
import { openRegistry } from './open-registry.ts';
import { openSqlite } from './open-sqlite.ts';
import { openTrust } from './open-trust.ts';
import { openUpstreams } from './open-upstreams.ts';
import { databaseFile, hashText } from './operator-commands.ts';
import { createSqlAssignmentStore } from './sql-assignment-store.ts';
import { createSqlAuditTable } from './sql-audit-table.ts';
import { createSqlConversationTable } from './sql-conversation-table.ts';
import { createSqlCoordinatorStore } from './sql-coordinator-store.ts';
import { createSqlCredentialTable } from './sql-credential-table.ts';
import { createSqlDeviceTable } from './sql-device-table.ts';
import { createSqlDocumentStore } from './sql-document-store.ts';
import { createSqlEventLog } from './sql-event-log.ts';
import { createSqlOperatorTable } from './sql-operator-table.ts';
import { createSqlTaskStore } from './sql-task-store.ts';
import { createWorkerNumbers } from './worker-numbers.ts';
import { openAuthority } from './x509-authority.ts';

const ourTextPaths = textPaths.map((path) => `/v1${path}`);
/** Of a flush of the disk, which stops this thread; what waits for one shares it. */
const commitGapMs = 10;
/** A broker of yours may be away when we start; the one of ours may not. */
const firstConnectionMs = 5_000;
/** The rest is this process's own, and the system's. */
const modelsMemoryShare = 0.5;

/** Opens all that the coordinator is, and notes how it closes. */
export async function startCoordinator(
  config: CoordinatorConfig,
  log: Log,
  opened: Opened,
): Promise<Result<void>> {
  const clock = systemClock;
  const random = createSystemRandom();
  const metrics = createMetrics();
  const plan = planSecurity(config);
  if (!plan.ok) return plan;
  const database = await openSqlite(databaseFile(config.dataDir));
  if (!database.ok) return database;
  opened.push(() => database.value.destroy());
  const credentials = createSqlCredentialTable(database.value);
  const security = await openSecurity(config, credentials, log);
  if (!security.ok) return security;
  const { tls, isRefused, revocations, clientTls, authority } = security.value;
  opened.push(revocations.close);
  const verifier = createCertificateVerifier(authority.certificate, systemClock.nowMs);
  if (!verifier.ok) return verifier;
  const broker = await chooseBroker(
    config,
    log,
    metrics,
    plan.value.mqttTls ? { tls, isRefused } : undefined,
  );
  if (!broker.ok) return broker;
  opened.push(broker.value.close);
  const brokerUrl = broker.value.url;
  const transport = createMqttCoordinatorTransport(brokerUrl, config.publishesMax, {
    clock,
    random,
    log,
    onDropped: metrics.failed,
    identity: plan.value.brokerIdentity
      ? { name: instanceName(config.instance), tls: clientTls }
      : undefined,
    connect: broker.value.connect,
  });
  opened.push(() => transport.close());
  const http = createHttpTransport(clock, config.devicesMax);
  opened.push(() => http.transport.close());
  const { certified } = plan.value;
  const siteOf = (device: string) => credentials.siteOf(device, clock.nowMs());
  let audiencesOf = (_device: string): readonly string[] => [];
  const blobs = await openBlobs(config, {
    certified,
    siteOf,
    audiencesOf: (device) => audiencesOf(device),
    pipe: transport.blobs,
    clock,
    log,
    onDropped: metrics.failed,
  });
  if (!blobs.ok) return blobs;
  opened.push(blobs.value.close);
  const registry = await openRegistry(config.dataDir, {
    database: database.value,
    blobs: blobs.value.store,
    references: blobs.value.references,
    clock,
  });
  if (!registry.ok) return registry;
  const trust = openTrust(config.dataDir, config.tufKeys, clock);
  if (!trust.ok) return trust;
  const { repository } = trust.value;
  opened.push(keepFresh(repository, { clock, log }).close);
  metrics.watch(
    'skerry_update_metadata_good_seconds',
    'Until the first role of the published update metadata expires; then devices take no updates',
    async () => {
      const published = await repository.published();
      return published.ok ? goodForSeconds(published.value, clock.nowMs()) : Number.NaN;
    },
  );
  const commits = createGroupCommit(database.value, commitGapMs);
  const documentEngine = createWorkerEngine();
  opened.push(() => documentEngine.close());
  const upstreams = await openUpstreams(config.upstreams);
  if (!upstreams.ok) return upstreams;
  const embedder =
    config.embedder === undefined ? ok(undefined) : await readEmbedder(config.embedder);
  if (!embedder.ok) return embedder;
  const collectionStores = { blobs: blobs.value.store, references: blobs.value.references };
  const coordinator = await createCoordinator(config, {
    clock,
    random,
    log,
    metrics,
    store: createSqlCoordinatorStore(database.value, clock, commits),
    devices: createSqlDeviceTable(database.value, commits),
    audits: createSqlAuditTable(database.value),
    documents: createSqlDocumentStore(database.value, commits),
    documentEngine,
    conversations: createSqlConversationTable(database.value, commits, config),
    ...(certified ? { siteOf } : {}),
    inputs: blobs.value.inputs,
    blobReferences: blobs.value.references,
    updates: {
      registry: registry.value,
      ...trust.value,
      logs: createSqlEventLog(database.value, 'rollout'),
      assignments: createSqlAssignmentStore(database.value, commits),
      blobs: blobs.value.store,
      references: blobs.value.references,
      openDeltaMaker,
    },
    collections: {
      ...collectionStores,
      repository,
      logs: createSqlEventLog(database.value, 'collection'),
      blobsOf: blobs.value.storeOf,
      metadata: createMetadataPacks({ ...collectionStores, repository, clock }),
    },
    learning: {
      registry: registry.value,
      logs: createSqlEventLog(database.value, 'learn'),
      tasks: createSqlTaskStore(commits),
      blobs: blobs.value.store,
      references: blobs.value.references,
      blobsOf: blobs.value.storeOf,
      chance: createSystemRandomBytes(),
      masking: {
        cryptography: createNodeCryptography(),
        verifier: verifier.value,
      },
      numbers: createWorkerNumbers(),
    },
    readBundles: async () => {
      const reading = config.bundles.map((directory) => readVariants(directory, ['edge', 'cloud']));
      const read = collect(await Promise.all(reading));
      return read.ok ? ok(read.value.flat()) : read;
    },
    createRuntime: createOnnxNativePool(workersOf(config), {
      executionProviders: config.executionProviders,
      onLeft: (execution) =>
        log.error(executionProperties([execution]), 'a session goes on on the cpu'),
    }).createRuntime,
    residency: createResidency(config.memoryBytesMax ?? memoryLimitBytes() * modelsMemoryShare),
    embedder: embedder.value,
    upstreams: upstreams.value,
    transport: {
      ...joinTransports([transport, http.transport], config.devicesMax),
      connected: transport.connected,
    },
  });
  if (!coordinator.ok) return coordinator;
  opened.push(() => coordinator.value.close());
  const { fetch, collections, conversations } = coordinator.value;
  audiencesOf = collections?.audiencesOf ?? audiencesOf;
  const { httpTls, operatorAsked } = plan.value;
  const { operatorToken, httpHost, serverNames } = config;
  if (operatorAsked && operatorToken === undefined)
    log.warn({}, 'no operatorToken: off loopback the API and the console answer nobody');
  const operators = await openOperators(
    config.revocationReadMs,
    createSqlOperatorTable(database.value),
    { clock, log },
  );
  if (!operators.ok) return operators;
  opened.push(operators.value.close);
  const { find } = operators.value;
  const checkOperator = createOperatorCheck({
    operatorToken,
    asked: operatorAsked,
    names: [...serverNames, httpHost],
    find,
  });
  const exchange = pass(createExchangeRoutes(http.pipe, httpTls));
  const app = new Hono<{ Bindings: PeerEnvironment & OperatorEnvironment['Bindings'] }>()
    .route('/v1/enrol', enrolmentRoutes({ ...security.value, authority: authority.certificate }))
    .all('/v1/exchange', exchange)
    .all('/v1/hints', exchange)
    .all('/v1/blobs/:digest', pass(blobRoutes(blobs.value, httpTls)))
    .route('/', trustMetadataRoutes(repository))
    .all(
      '/v1/conversations/*',
      pass(conversations ? conversationRoutes(conversations, httpTls) : new Hono()),
    )
    .on('ALL', ourTextPaths, textGate(checkOperator, httpTls), (c) => fetch(c.req.raw, c.env))
    .use('/v1/registry/*', operatorGate(checkOperator))
    .route('/v1/registry', registryRoutes(registry.value, blobs.value.serveBlob))
    .all('*', operatorGate(checkOperator), (c) => fetch(c.req.raw, c.env));
  const server = createHttpServer(app.fetch, httpTls ? { tls, isRefused } : undefined);
  const listening = await listenHttp(server.server, config.httpHost, config.httpPort);
  if (!listening.ok) return listening;
  opened.push(listening.value.close);
  const { mosquittoDir: folder } = config;
  const tellMosquitto =
    folder === undefined
      ? undefined
      : createMosquittoRevocations({ folder, brokerUrl }, { authority, clock, random, log });
  revocations.onRead((revoked) => {
    broker.value.review();
    server.review();
    void tellMosquitto?.(revoked);
  });
  await Promise.race([transport.firstConnected, sleep(clock, firstConnectionMs)]);
  const grpc = await openGrpc(coordinator.value.openInference, {
    host: config.httpHost,
    port: config.grpcPort,
    bodyBytesMax: config.bodyBytesMax,
    tls: plan.value.httpTls ? tls : undefined,
    check: (authorization) => adminOnly(checkOperator(authorization)),
  });
  if (!grpc.ok) return grpc;
  if (grpc.value) opened.push(grpc.value.close);
  const where = { httpUrl: listening.value.url, grpcPort: grpc.value?.port };
  log.info({ ...where, mqttUrl: withoutPassword(brokerUrl) }, 'listening');
  return ok(undefined);
}

/** Instances of one model run at once on as many workers. */
function workersOf({ workers, inferInstances, modelServing }: CoordinatorConfig): number {
  const own = Object.values(modelServing).map((serving) => serving.inferInstances ?? 1);
  return Math.max(workers ?? availableParallelism(), inferInstances, ...own);
}

/** Routes with a middleware of their own, which must not see other requests. */
function pass(routes: {
  fetch(request: Request, env: PeerEnvironment): Response | Promise<Response>;
}) {
  return (c: { req: { raw: Request }; env: PeerEnvironment }) => routes.fetch(c.req.raw, c.env);
}

type ChosenBroker = Pick<EmbeddedBroker, 'url' | 'review'> &
  Partial<Pick<EmbeddedBroker, 'connect'>> & { readonly close: () => unknown };

async function chooseBroker(
  config: CoordinatorConfig,
  log: Log,
  metrics: Metrics,
  security: PeerSecurity | undefined,
): Promise<Result<ChosenBroker>> {
  if (config.broker !== undefined) return ok({ url: config.broker, review() {}, close() {} });
  const filesMax = openFilesMax();
  const { mqttConnectionsMax } = config;
  if (filesMax < mqttConnectionsMax)
    log.warn(
      { filesMax, mqttConnectionsMax },
      'ulimit -n admits fewer connections than the broker',
    );
  return openEmbeddedBroker(
    config.mqttHost,
    config.mqttPort,
    { connectionsMax: config.mqttConnectionsMax },
    log,
    () => metrics.failed('malformed_message'),
    security,
  );
}

async function openSecurity(config: CoordinatorConfig, table: CredentialTable, log: Log) {
  const nowMs = systemClock.nowMs();
  const opened = await openAuthority(config.dataDir, nowMs);
  if (!opened.ok) return opened;
  const authority = opened.value;
  const revocations = await openRevocations(config.revocationReadMs, table, {
    clock: systemClock,
    log,
  });
  if (!revocations.ok) return revocations;
  const isRefused = ({ serial, notAfterMs }: PeerIdentity): boolean =>
    notAfterMs <= systemClock.nowMs() || revocations.value.has(serial);
  return ok({
    tls: await authority.issueServer(
      [...new Set([...config.serverNames, config.httpHost, config.mqttHost])],
      nowMs,
    ),
    clientTls: await authority.issueClient(instanceName(config.instance), nowMs),
    isRefused,
    revocations: revocations.value,
    authority,
    enrolment: createEnrolment(config.certificateLifeMs, {
      authority,
      table,
      clock: systemClock,
      sha256: hashText,
    }),
  });
}

function withoutPassword(url: string): string {
  const shown = new URL(url);
  shown.password = '';
  return shown.href.replace(/\/$/, '');
}
