// The device's process, composed: every feature meets here and nowhere else. Takes its adapters as arguments.

import type { Residency, Runtime } from '@skerry/models';
import type { Bundle } from '@skerry/models/node';
import {
  createModelStatistics,
  createRestHandler,
  type ModelStatistics,
  type OpenInferenceServer,
} from '@skerry/models/open-inference';
import { type Clock, err, failure, type Log, ok, type Random, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import {
  createSession,
  type DeviceStatus,
  type DeviceStore,
  type DeviceTransport,
} from '@skerry/sync-protocol';
import type { DocumentEngine, DocumentLog, FollowerStore } from '@skerry/sync-protocol/documents';
import type { Hono } from 'hono';
import type { AgentConfig } from './config.ts';
import { acknowledgedBy } from './documents/acknowledged.ts';
import { createDocuments } from './documents/documents.ts';
import type { RelayPorts } from './documents/relay.ts';
import type { RelayLinkPorts } from './documents/relay-link.ts';
import { createApp } from './http/app.ts';
import { type Admission, createAdmission } from './infer/admission.ts';
import { createAnswerStream } from './infer/answer-stream.ts';
import { describeRecord } from './infer/describe-record.ts';
import { createEscalator, type EscalatorPorts } from './infer/escalate.ts';
import type { EscalationStore } from './infer/escalation-store.ts';
import { createInference, type Inference } from './infer/inference.ts';
import { loadModel, type Model, selfTest } from './infer/model.ts';
import { createModelServer, type DeviceModel } from './infer/model-server.ts';
import { countRuns, serveClassifier } from './infer/served-classifier.ts';
import { openTensorModel, type TensorModel } from './infer/tensor-model.ts';
import { startWebhook, type WebhookCursor } from './infer/webhook.ts';
import { createTally } from './observe/tally.ts';
import type { BudgetStore } from './route/budgets.ts';
import type { LearnedStore } from './route/look-alikes.ts';
import { openRouting } from './route/open-routing.ts';
import { type PowerReading, strainOf } from './route/strain.ts';
import { fitsMessage, type LargeInputs } from './sync/large-inputs.ts';
import type { DeviceTextPorts } from './text/device-text.ts';
import { serveText } from './text/serve-text.ts';

export const agentVersion = '0.1.0';

export interface AgentPorts {
  readonly bundles: readonly Bundle[];
  readonly createRuntime: () => Runtime;
  /** The memory that the models share. */
  readonly residency: Residency;
  readonly store: DeviceStore;
  readonly escalations: EscalationStore;
  readonly documents: DocumentLog & FollowerStore;
  readonly documentEngine: DocumentEngine;
  /** Where this device is its site's relay. */
  readonly relay?: RelayPorts | undefined;
  /** Where its site has one. */
  readonly relayLink?: RelayLinkPorts | undefined;
  readonly transport: DeviceTransport;
  readonly routeStore: { readonly budgets: BudgetStore; readonly learned: LearnedStore };
  readonly pack: EscalatorPorts['pack'];
  /** For inputs that do not fit a message; without it they are not escalated. */
  readonly largeInputs?: LargeInputs;
  /** Battery and heat, where the target tells them. */
  readonly power?: () => PowerReading;
  /** Where late answers are pushed to. */
  readonly webhook?: {
    readonly cursor: WebhookCursor;
    readonly send: (
      id: string,
      type: 'answer.late',
      data: unknown,
      signal: AbortSignal,
    ) => Promise<Result<void>>;
  };
  /** Who answers texts. */
  readonly text?: Pick<DeviceTextPorts, 'sources' | 'trusted'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface Agent {
  readonly app: Hono;
  readonly inference: Pick<Inference, 'infer'>;
  readonly openInference: OpenInferenceServer;
  /** Somebody has appended to the store: the session shall send it. */
  notifyAppended(): void;
  /** Lets every request that waits for the cloud have its local answer now. */
  drain(): void;
  /** Stops talking to the coordinator and unloads the models; whoever opened a port closes it. */
  close(): Promise<void>;
}

export async function createAgent(config: AgentConfig, ports: AgentPorts): Promise<Result<Agent>> {
  const { store, escalations, clock, log } = ports;
  const admission = createAdmission(config.inferQueueMax, clock.monotonicMs);
  const loaded = await loadModels(config, ports, admission);
  if (!loaded.ok) return loaded;
  const { classifiers, tensorModels } = loaded.value;
  const models = new Map(classifiers.map(({ model }) => [model.manifest.name, model]));
  const answers = createAnswerStream(escalations);
  const tally = createTally(
    {
      queueOps: () => store.position().ops,
      queueBytes: () => store.position().bytes,
      waitingForModel: admission.waiting,
      waitingForCloud: () => escalator.waiting(),
      linkUp: () => session.link().state === 'up',
    },
    clock,
  );
  const variants = [...models.values()].map(({ variant }) => variant);
  const { router, textRouter, lookAlikes } = openRouting(config, variants, {
    link: () => session.link(),
    store: ports.routeStore,
    strain: () => strainOf(ports.power?.() ?? {}, config),
    clock,
    random: ports.random,
  });
  const escalator = createEscalator(
    {
      escalations,
      router,
      lookAlikes,
      pack: ports.pack,
      clock,
      log,
      queue: {
        async append(body, effect) {
          const large = fitsMessage(body) ? undefined : ports.largeInputs;
          const appended = large
            ? await large.append(body, effect)
            : store.append(body, clock.nowMs(), effect);
          if (appended.ok) {
            if (body.audit === undefined) tally.escalated();
            session.notifyAppended();
          }
          return appended;
        },
      },
      onAudit: tally.audited,
    },
    config.waitersMax,
  );
  const inference = createInference(
    {
      models,
      admission,
      router,
      escalator,
      clock,
      random: ports.random,
      onAnswer: (answer) => tally.answered(answer, clock.nowMs()),
    },
    config,
  );
  const documents = createDocuments(config, {
    engine: ports.documentEngine,
    store: ports.documents,
    append(body) {
      const appended = store.append(body, clock.nowMs());
      if (appended.ok) session.notifyAppended();
      return appended;
    },
    acknowledged: acknowledgedBy(store),
    digestOf: sha256,
    clock,
    random: ports.random,
    log,
    relayLink: ports.relayLink,
  });
  const session = createSession({
    store,
    transport: ports.transport,
    clock,
    random: ports.random,
    log,
    status: (): DeviceStatus => ({
      agentVersion,
      target: config.target,
      site: config.site,
      models: [...models.values()].map(({ manifest, variant }) => ({
        name: manifest.name,
        version: manifest.version,
        variant,
        counts: tally.countsOf(manifest.name),
      })),
      counts: tally.counts(),
      queue: { ops: store.position().ops, bytes: store.position().bytes },
      recent: tally.takeRecent(),
    }),
    statusIntervalMs: config.statusIntervalMs,
    effect(op) {
      if (op.body.kind === 'answer') escalator.record(op.body);
      else documents.record(op);
    },
    onApplied(ops) {
      const bodies = ops.map(({ body }) => body);
      const late = escalator.deliver(bodies.filter((body) => body.kind === 'answer'));
      tally.late(late);
      if (late > 0) {
        answers.wake();
        webhook?.wake();
      }
      documents.deliver(ops);
    },
  });
  const { send, cursor } = ports.webhook ?? {};
  const webhook =
    send &&
    cursor &&
    startWebhook({
      escalations,
      cursor,
      push: (id, record, signal) => send(id, 'answer.late', describeRecord(record, models), signal),
      clock,
      random: ports.random,
      log,
      onPushed: tally.pushed,
    });
  const deviceModels: DeviceModel[] = [
    ...classifiers.map(({ model, statistics }) => ({
      ...model,
      served: serveClassifier(model, inference, statistics, clock),
    })),
    ...tensorModels,
  ];
  const server = createModelServer(agentVersion, deviceModels, config.modelControl);
  if (ports.relay !== undefined) {
    const relaying = await documents.relaySite(ports.relay);
    if (!relaying.ok) return relaying;
  }
  const app = createApp({
    openInference: createRestHandler(server, config.bodyBytesMax),
    text: serveText(config, {
      ...(ports.text ?? { sources: {} }),
      router: textRouter,
      clock,
      random: ports.random,
      onAnswer: ({ source, degraded }) => tally.textAnswered(source, degraded),
    }),
    bundles: ports.bundles,
    models,
    inference,
    answers,
    escalations,
    documents,
    clock,
    log,
    bodyBytesMax: config.bodyBytesMax,
    metrics: tally.metrics,
    onRefused: tally.failed,
    health: () => ({
      status: 'ok',
      device: config.device,
      link: session.link(),
      breaker: router.breaker(),
      queue: { ops: store.position().ops, bytes: store.position().bytes },
      site: documents.relaying(),
      models: server.models().map(({ description }) => description.name),
    }),
  });
  return ok({
    app,
    inference,
    openInference: server,
    notifyAppended: session.notifyAppended,
    drain: escalator.close,
    async close() {
      session.close();
      await webhook?.close();
      await documents.close();
      await Promise.all(deviceModels.map((model) => model.unload()));
    },
  });
}

interface LoadedModels {
  readonly classifiers: readonly { readonly model: Model; readonly statistics: ModelStatistics }[];
  readonly tensorModels: readonly TensorModel[];
}

async function loadModels(
  config: AgentConfig,
  { bundles, createRuntime, residency, clock, log }: AgentPorts,
  admission: Admission,
): Promise<Result<LoadedModels>> {
  const classifiers: LoadedModels['classifiers'][number][] = [];
  const tensorModels: TensorModel[] = [];
  const names = new Set<string>();
  for (const bundle of bundles) {
    const { name, version, task } = bundle.manifest;
    if (names.has(name)) return err(failure('invalid_config', `two bundles are named ${name}`));
    names.add(name);
    const options = { threads: config.threads, deadlineMs: config.deadlineMs, residency };
    if (task === 'tensor') {
      const ports = { createRuntime, admission, clock };
      const model = await openTensorModel(bundle, options, ports);
      if (!model.ok) return model;
      tensorModels.push(model.value);
      continue;
    }
    const model = await loadModel(bundle, createRuntime, options);
    if (!model.ok) return model;
    const tested = await selfTest(model.value);
    if (!tested.ok) return tested;
    log.info(
      { model: name, version, variant: bundle.variant.digest, golden: tested.value },
      'model loaded',
    );
    const statistics = createModelStatistics();
    classifiers.push({ model: countRuns(model.value, statistics, clock), statistics });
  }
  return ok({ classifiers, tensorModels });
}
