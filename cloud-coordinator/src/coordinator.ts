// The coordinator: where its features meet. Devices' Exchanges come in through `sync`; the escalations among them go
// to `infer`, the statuses to `fleet` and `observe`; `http` shows it all.

import { createRestHandler, type OpenInferenceServer } from '@skerry/models/open-inference';
import { createTextHandler } from '@skerry/models/openai';
import { defaultSite, ok, type Result, type Timer } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import {
  type CoordinatorStore,
  type CoordinatorTransport,
  createExchangeHandler,
  type ExchangeHandler,
  serveExchanges,
} from '@skerry/sync-protocol';
import type { BlobReferences } from '@skerry/sync-protocol/blobs';
import type { DocumentEngine, DocumentLog, MemberStore } from '@skerry/sync-protocol/documents';
import type { CoordinatorConfig } from './config.ts';
import { openDocuments } from './documents/documents.ts';
import { referToNamedBlobs } from './documents/named-blobs.ts';
import { createDeviceDirectory, createLearnDevices } from './fleet/device-directory.ts';
import {
  type DeviceRegistry,
  type DeviceTable,
  openDeviceRegistry,
} from './fleet/device-registry.ts';
import { createApp } from './http/app.ts';
import { readConsoleFiles } from './http/console-files.ts';
import type { OperatorEnvironment } from './http/operator-gate.ts';
import type { BlobInputs } from './infer/blob-inputs.ts';
import type { CloudHalf } from './infer/cloud-half.ts';
import { createCloudModels } from './infer/cloud-models.ts';
import { createServe } from './infer/serve.ts';
import { type LearningPorts, openLearning } from './learn/open-learning.ts';
import type { LearnRuns } from './learn/runs/index.ts';
import { createDecisionFeed } from './observe/decision-feed.ts';
import { type Metrics, watchRisks } from './observe/metrics.ts';
import { type ModelAdapters, type OpenModels, openModels } from './open-models.ts';
import {
  type CollectionAdapters,
  type OpenedCollections,
  openCollections,
} from './retrieve/open-collections.ts';
import {
  type ConversationTable,
  createSharedConversations,
  type SharedConversations,
} from './retrieve/shared-conversations.ts';
import { type Audits, type AuditTable, createAudits } from './route/audits.ts';
import { createAnswerQuestions } from './text/answer-questions.ts';
import { createPooledText } from './text/pooled-text.ts';
import { openUpdates, type UpdatePorts } from './update/open-updates.ts';
import { createReadRegistered } from './update/registry/index.ts';
import type { Rollouts } from './update/rollouts/index.ts';

export interface CoordinatorAdapters extends ModelAdapters {
  readonly store: CoordinatorStore;
  readonly devices: DeviceTable;
  readonly audits: AuditTable;
  readonly documents: DocumentLog & { readonly members: MemberStore };
  readonly documentEngine: DocumentEngine;
  readonly transport: TransportAdapter;
  /** For inputs that come as blobs. */
  readonly inputs?: BlobInputs;
  /** For blobs that documents name; without it they are kept by nobody. */
  readonly blobReferences?: BlobReferences;
  /** Without it this coordinator rolls out nothing. */
  readonly updates?: UpdatePorts;
  /** Without it nobody learns. */
  readonly learning?: LearningPorts;
  /** Without it no libraries are published. */
  readonly collections?: CollectionAdapters;
  /** Without it turns that devices share wait in the queue. */
  readonly conversations?: ConversationTable;
  /** The site of a device's certificate, where devices have one. */
  readonly siteOf?: (device: string) => Promise<Result<string | undefined>>;
}

export type TransportAdapter = CoordinatorTransport & {
  /** Whether messages of devices reach us, where the pipe can tell. */
  readonly connected?: () => boolean;
};

export interface Coordinator {
  /** @param env who asks, where somebody has found out */
  readonly fetch: (
    request: Request,
    env?: OperatorEnvironment['Bindings'],
  ) => Response | Promise<Response>;
  readonly openInference: OpenInferenceServer;
  readonly rollouts: Rollouts | undefined;
  readonly learning: LearnRuns | undefined;
  readonly collections: OpenedCollections | undefined;
  readonly conversations: SharedConversations | undefined;
  ready(): boolean;
  /** Lets go of what it holds, not of its adapters; what is not answered stays open in the store. */
  close(): Promise<void>;
}

const serveBackoff = { initialMs: 100, maxMs: 10_000 };
const deviceSaveEveryMs = 5_000;
/** How long a question waits, at most twice, when the coordinator that took it has died and another runs. */
const adoptEveryMs = 5_000;
const decisionsKeptMax = 100;

/** Fails where a bundle cannot be loaded or the store cannot be read. */
export async function createCoordinator(
  config: CoordinatorConfig,
  adapters: CoordinatorAdapters,
): Promise<Result<Coordinator>> {
  const { clock, log, transport, metrics } = adapters;
  const ready = (): boolean => transport.connected?.() ?? true;
  const readRegistered =
    adapters.updates && createReadRegistered(adapters.updates.registry, adapters.updates.blobs);
  const opened = await openModels(config, { ...adapters, readRegistered }, ready);
  if (!opened.ok) return opened;
  const { host, registered, pool, server } = opened.value;
  const halves = () => [...host.halves(), ...(registered?.halves() ?? [])];
  const registry = await openDeviceRegistry(
    { ...config, saveEveryMs: deviceSaveEveryMs },
    adapters.devices,
    clock,
    log,
  );
  if (!registry.ok) {
    await opened.value.close();
    return registry;
  }
  const devices = registry.value;
  const decisions = createDecisionFeed({
    decisionsMax: decisionsKeptMax,
    subscribersMax: config.watchersMax,
  });
  const shared = await openDocuments(config.documentHorizonMs, {
    ...adapters,
    engine: adapters.documentEngine,
    digestOf: sha256,
    news: (device) => handler.news(device),
    onRefused: () => metrics.failed('malformed_message'),
  });
  if (!shared.ok) {
    await opened.value.close();
    return shared;
  }
  const { blobReferences } = adapters;
  const documents =
    blobReferences === undefined
      ? shared.value
      : { ...shared.value, patch: referToNamedBlobs(shared.value, blobReferences, log) };
  const audits = createAudits({
    ...adapters,
    table: adapters.audits,
    halves,
    statuses: (device) =>
      device === undefined ? devices.statuses() : [devices.get(device)?.status ?? []].flat(),
  });
  const infer = createInfer(config, adapters, { ...opened.value, halves }, audits, (device) =>
    handler.news(device),
  );
  const text = createPooledText(pool);
  const questions = createAnswerQuestions(
    { ...adapters, text, onSaid: (device) => handler.news(device) },
    { timeoutMs: config.textTimeoutMs },
  );
  const conversations =
    adapters.conversations &&
    createSharedConversations({
      ...adapters,
      table: adapters.conversations,
      siteOf:
        adapters.siteOf ?? (async (device) => ok(devices.get(device)?.status?.site ?? defaultSite)),
      retentionMs: config.conversationRetentionMs,
      news: (device) => handler.news(device),
    });
  const handler = createExchangeHandler(
    {
      store: adapters.store,
      clock,
      onExchange({ device, epoch, cursor, status }, suspicion) {
        documents.heard(device, cursor);
        if (suspicion !== undefined) {
          metrics.suspicions.inc({ kind: suspicion });
          log.error({ device, epoch }, `this device's disk was ${suspicion}`);
        }
        const heard = devices.heard(device, epoch, status);
        if (!heard.ok) metrics.failed(heard.error.code);
        else if (status !== undefined) decisions.publish(device, status.recent);
      },
      onAccepted(device, fresh) {
        metrics.ops.inc(fresh.length);
        for (const { body } of fresh)
          if (body.kind === 'escalation') infer.serve.take({ device, body });
        if (fresh.some(({ body }) => body.kind === 'document-change')) documents.arrived();
        if (fresh.some(({ body }) => body.kind === 'question')) questions.arrived();
        if (fresh.some(({ body }) => body.kind === 'turn' || body.kind === 'forget'))
          conversations?.arrived();
      },
      onPaused: () => metrics.failed('overloaded'),
      hint(device, message) {
        // A hint that is lost costs time alone: the device comes back by itself.
        void transport.send(device, message);
      },
    },
    config,
  );
  const fleet = {
    ops: adapters.store,
    news: (device: string) => handler.news(device),
    clock,
    log,
  };
  const retention = { endedMax: config.endedLogsMax, endedMs: config.endedLogsMs };
  const updates =
    adapters.updates === undefined
      ? ok(undefined)
      : await openUpdates(
          adapters.updates,
          {
            ...fleet,
            devices: createDeviceDirectory(devices),
            removed: (logs, events) => metrics.logsRemoved('rollout', logs, events),
          },
          { turnEveryMs: config.rolloutTurnMs, retention },
        );
  if (!updates.ok) {
    await opened.value.close();
    return updates;
  }
  const learning =
    adapters.learning === undefined
      ? ok(undefined)
      : await openLearning(
          adapters.learning,
          {
            ...fleet,
            devices: createLearnDevices(devices),
            rollouts: updates.value?.rollouts,
            written: metrics.learning.written,
            removed: (logs, events) => metrics.logsRemoved('learn', logs, events),
          },
          { turnEveryMs: config.learnTurnMs, retention },
        );
  if (!learning.ok) {
    await updates.value?.close();
    await opened.value.close();
    return learning;
  }
  const collections =
    adapters.collections === undefined
      ? ok(undefined)
      : await openCollections(
          adapters.collections,
          { ...adapters, documents, devices: createDeviceDirectory(devices) },
          config.rolloutTurnMs,
        );
  if (!collections.ok) {
    await learning.value?.close();
    await updates.value?.close();
    await opened.value.close();
    return collections;
  }
  watchFleet(metrics, devices);
  watchRisks(metrics, audits.latest);
  if (learning.value !== undefined) metrics.learning.watch(learning.value.list);
  metrics.watch('skerry_ops_quarantined', 'Ops that nobody will take', async () => {
    const counted = await adapters.store.quarantined();
    return counted.ok ? counted.value : Number.NaN;
  });
  if (adapters.conversations !== undefined) {
    const { count } = adapters.conversations;
    metrics.watch(
      'skerry_shared_turns',
      'Turns of shared conversations that are kept',
      async () => {
        const counted = await count();
        return counted.ok ? counted.value : Number.NaN;
      },
    );
  }
  metrics.watchUpstreams(pool);
  transport.onPresence(devices.linked);
  serveExchanges(transport, countExchanges(handler, metrics), log);
  void infer.serve.catchUp(); // What a start before this one left open.
  const { models } = infer;
  const consoleFiles = readConsoleFiles();
  const app = createApp({
    devices,
    audits,
    store: adapters.store,
    models,
    openInference: createRestHandler(server, config.bodyBytesMax),
    text: createTextHandler(
      text,
      {
        bodyBytesMax: config.bodyBytesMax,
        deadlineMs: config.textTimeoutMs,
        deadlineMsMax: config.textTimeoutMs,
      },
      clock,
    ),
    bodyBytesMax: config.bodyBytesMax,
    upstreams: pool,
    documents,
    rollouts: updates.value?.rollouts,
    learning: learning.value,
    collections: collections.value,
    decisions,
    metrics,
    consoleFiles,
    clock,
    log,
    ready,
  });
  return ok({
    fetch: app.fetch,
    openInference: server,
    rollouts: updates.value?.rollouts,
    learning: learning.value,
    collections: collections.value,
    conversations,
    ready,
    async close() {
      handler.close();
      await collections.value?.close();
      await learning.value?.close();
      await updates.value?.close();
      await questions.close();
      await conversations?.close();
      await documents.close();
      await infer.close();
      await audits.close();
      await devices.close();
    },
  });
}

function createInfer(
  config: CoordinatorConfig,
  { store, inputs, clock, random, log, metrics }: CoordinatorAdapters,
  opened: OpenModels & { readonly halves: () => readonly CloudHalf[] },
  audits: Audits,
  onAnswer: (device: string) => void,
) {
  const models = createCloudModels(opened.halves, opened.registered?.half);
  metrics.watchModels({ server: opened.server, waiting: opened.host.waiting });
  const serve = createServe(
    { windowMax: config.escalationsMax, attemptsMax: config.attemptsMax, backoff: serveBackoff },
    {
      store,
      models,
      ...(inputs === undefined ? {} : { inputs }),
      clock,
      random,
      log,
      onAnswer(device, outcome, body) {
        audits.answered(device, body, outcome);
        metrics.answers.inc({ outcome: outcome.kind === 'failed' ? outcome.code : 'answered' });
        onAnswer(device);
      },
    },
  );
  let timer: Timer | undefined;
  const adopt = (): void => {
    timer = clock.after(adoptEveryMs, () => {
      void serve.adopt();
      adopt();
    });
  };
  adopt();
  return {
    models,
    serve,
    // Together: `serve` waits for what runs, and the models let go of what waits.
    close: () => {
      timer?.cancel();
      return Promise.all([serve.close(), opened.close()]);
    },
  };
}

function watchFleet(metrics: Metrics, devices: DeviceRegistry): void {
  metrics.watch('skerry_devices_known', 'Devices ever heard', () => devices.totals().known);
  metrics.watch('skerry_devices_online', 'Devices heard lately', () => devices.totals().online);
}

/** The handler with its counts. */
function countExchanges(handler: ExchangeHandler, metrics: Metrics): ExchangeHandler {
  metrics.watch(
    'skerry_exchanges_in_flight',
    'Exchanges under way, replies held for answers included',
    handler.inFlight,
  );
  return {
    ...handler,
    async handle(device, message) {
      const reply = await handler.handle(device, message);
      if (reply.ok) metrics.exchanges.inc();
      else metrics.failed(reply.error.code);
      return reply;
    },
  };
}
