// The device's process, composed: every feature meets here and nowhere else. Takes its adapters as arguments.

import type { Residency, Runtime } from '@skerry/models';
import type { Bundle } from '@skerry/models/node';
import { createRestHandler, type OpenInferenceServer } from '@skerry/models/open-inference';
import { type Clock, err, failure, type Log, ok, type Random, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import {
  createSession,
  type DeviceStatus,
  type DeviceStore,
  type DeviceTransport,
  type Session,
} from '@skerry/sync-protocol';
import type { DocumentEngine, DocumentLog, FollowerStore } from '@skerry/sync-protocol/documents';
import type { Hono } from 'hono';
import type { AgentConfig } from './config.ts';
import { acknowledgedBy } from './documents/acknowledged.ts';
import { createDocuments } from './documents/documents.ts';
import type { RelayPorts } from './documents/relay.ts';
import type { RelayLinkPorts } from './documents/relay-link.ts';
import { createApp } from './http/app.ts';
import { createAdmission } from './infer/admission.ts';
import { createAnswerStream } from './infer/answer-stream.ts';
import { describeRecord } from './infer/describe-record.ts';
import { createEscalator, type EscalatorPorts } from './infer/escalate.ts';
import type { EscalationStore } from './infer/escalation-store.ts';
import { createInference, type Inference } from './infer/inference.ts';
import { createLateAnswers } from './infer/late-answers.ts';
import { checkNames, createLiveModels, type LiveModels } from './infer/live-models.ts';
import { createModelServer } from './infer/model-server.ts';
import { startWebhook, type WebhookCursor } from './infer/webhook.ts';
import type { LearningPorts } from './learn/learn-ports.ts';
import { openLearningOf } from './learn/open-learning.ts';
import { createTally } from './observe/tally.ts';
import { keepPushed } from './retrieve/cache/keep-pushed.ts';
import { openConversing } from './retrieve/open-conversing.ts';
import { type LibraryPorts, openServedLibrary } from './retrieve/served-library.ts';
import { openTravelling, type Travelling } from './retrieve/travel/open-travelling.ts';
import type { BudgetStore } from './route/budgets.ts';
import type { LearnedStore } from './route/look-alikes.ts';
import { openRouting } from './route/open-routing.ts';
import { type PowerReading, strainOf } from './route/strain.ts';
import { fitsMessage, type LargeInputs } from './sync/large-inputs.ts';
import type { DeviceTextPorts } from './text/device-text.ts';
import { serveText } from './text/serve-text.ts';
import { type OpenedUpdates, openUpdates, type UpdatingPorts } from './update/open-updates.ts';

export const agentVersion = '0.1.0';

export interface AgentPorts {
  readonly bundles: readonly Bundle[];
  /** Models whose bundle cannot be read, and which an update may hold. */
  readonly lost?: readonly string[];
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
  /** Documents, answers from them, and what was asked about them. */
  readonly library?: LibraryPorts;
  /** Who answers texts. */
  readonly text?: Pick<DeviceTextPorts, 'sources' | 'trusted'>;
  /** Without them the models stay what the configuration says. */
  readonly updates?: UpdatingPorts | undefined;
  /** Without them nothing is kept of what is asked, and no round is taken part in. */
  readonly learning?: LearningPorts | undefined;
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
  const live = createLiveModels(config, { ...ports, admission, inference: () => inference });
  const models = live.classifiers;
  // Updates have things to say while the models start, which is before there is a session: it says them when it connects.
  let begun: Session | undefined;
  const updates =
    ports.updates &&
    openUpdates(config, ports.updates, {
      ...ports,
      live,
      waiting: admission.waiting,
      linkUp: () => begun?.link().state === 'up',
      onAppended: () => begun?.notifyAppended(),
    });
  const started = await startModels(ports, live, updates);
  if (!started.ok) {
    // That one model does not start is not the others' crash. [UPD16]
    updates?.close();
    return started;
  }
  const lateAnswers = createLateAnswers(escalations, ports.library?.questions);
  const answers = createAnswerStream(lateAnswers);
  const tally = createTally(
    {
      queueOps: () => store.position().ops,
      queueBytes: () => store.position().bytes,
      waitingForModel: admission.waiting,
      waitingForCloud: () => escalator.waiting(),
      linkUp: () => session.link().state === 'up',
    },
    clock,
    ports.library?.caches,
  );
  const variants = [...models.values()].map(({ variant }) => variant);
  const { router, textRouter, lookAlikes } = openRouting(config, variants, {
    link: () => session.link(),
    store: ports.routeStore,
    strain: () => strainOf(ports.power?.() ?? {}, config),
    clock,
    random: ports.random,
  });
  const learning = openLearningOf(config, ports, { live, waiting: admission.waiting });
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
            if (body.audit === undefined) {
              tally.escalated();
              updates?.health.escalated(body.model, body.version);
            }
            session.notifyAppended();
          }
          return appended;
        },
      },
      onAudit(agrees, model) {
        tally.audited(agrees);
        updates?.health.audited(model, agrees);
      },
      ...(updates && { onCloud: updates.health.cloudSaid }),
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
      onAnswer(answer) {
        tally.answered(answer, clock.nowMs());
        updates?.health.answered(answer);
        learning?.answered(answer);
      },
      ...(learning && { keep: learning.offer }),
      ...(updates && { onFailed: updates.health.failed, offer: updates.offer }),
    },
    config,
  );
  let travelling: Travelling | undefined;
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
    onTwinChanged: () => travelling?.twinChanged(),
    relayLink: ports.relayLink,
  });
  const { questions, conversations } =
    (ports.library &&
      openConversing(config.conversationShare, ports.library, {
        store,
        onAppended: () => session.notifyAppended(),
        linkUp: () => session.link().state === 'up',
        onSettled(count) {
          tally.late(count);
          answers.wake();
          webhook?.wake();
        },
        clock,
        random: ports.random,
        log,
      })) ??
    {};
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
      labels: config.labels,
      models: [...models.values()].map(({ manifest: { name, version }, variant, bundle }) => {
        const update = updates?.statusOf(name);
        const counts = tally.countsOf(name);
        return { name, version, variant, bundle, ...(update && { update }), counts };
      }),
      counts: tally.counts(),
      queue: { ops: store.position().ops, bytes: store.position().bytes },
      recent: tally.takeRecent(),
      ...(ports.updates?.deltaForms && { deltas: [...ports.updates.deltaForms] }),
      ...(learning && { learn: learning.status() }),
    }),
    statusIntervalMs: config.statusIntervalMs,
    effect(op) {
      if (op.body.kind === 'answer') escalator.record(op.body);
      else if (op.body.kind === 'assignment') updates?.receive(op.body.envelope);
      else if (op.body.kind === 'document-change') documents.record(op);
      else if (op.body.kind === 'said') questions?.record(op.body);
      else if (op.body.kind === 'forget') conversations?.forgotten(op.body);
      else learning?.receive(op.body);
    },
    onApplied(ops) {
      const bodies = ops.map(({ body }) => body);
      const told = bodies.filter((body) => body.kind === 'answer');
      const late = escalator.deliver(told);
      tally.late(late);
      if (late > 0) {
        answers.wake();
        webhook?.wake();
      }
      documents.deliver(ops);
      learning?.cloudAnswered(told);
      if (bodies.some(({ kind }) => kind === 'learn-task')) learning?.wake();
      if (bodies.some(({ kind }) => kind === 'assignment')) updates?.wake();
      if (bodies.some(({ kind }) => kind === 'said')) void questions?.check();
      const forgets = bodies.filter((body) => body.kind === 'forget');
      if (forgets.length > 0) conversations?.flush(forgets);
    },
  });
  begun = session;
  void questions?.check(); // What a start before this one took and did not check.
  const { send, cursor } = ports.webhook ?? {};
  const webhook =
    send &&
    cursor &&
    startWebhook({
      escalations: lateAnswers,
      cursor,
      push: (id, record, signal) =>
        send(id, 'answer.late', describeRecord(record, live.labelsOf), signal),
      clock,
      random: ports.random,
      log,
      onPushed: tally.pushed,
    });
  const server = createModelServer(agentVersion, live.devices, config.modelControl);
  if (ports.relay !== undefined) {
    const relaying = await documents.relaySite(ports.relay);
    if (!relaying.ok) {
      updates?.close();
      return relaying;
    }
  }
  const library =
    ports.library &&
    conversations &&
    openServedLibrary(
      config.librarySources,
      { ...ports.library, conversations },
      { digestOf: sha256, clock, log },
    );
  if (library && ports.library?.travel)
    travelling = openTravelling(config.libraryOffers ?? [], ports.library.travel, {
      ...library,
      answers: library.caches && keepPushed(library.caches.precomputed),
      onMissing: () => library.filling?.wake(),
      twin: {
        read: () => documents.read('device'),
        patch: (patch) => documents.patch('device', patch),
      },
      clock,
      log,
    });
  const app = createApp({
    openInference: createRestHandler(server, config.bodyBytesMax),
    text: serveText(config, {
      ...(ports.text ?? { sources: {} }),
      ...(ports.library && {
        library: ports.library.library,
        late: questions,
        conversations,
        cache: ports.library.caches?.answers,
      }),
      router: textRouter,
      clock,
      random: ports.random,
      log,
      onAnswer: ({ source, degraded }) => tally.textAnswered(source, degraded),
    }),
    ...(library && { collections: library }),
    ...(ports.library &&
      conversations && {
        conversations: { conversations, questions: ports.library.questions },
      }),
    ...(library?.caches && { caches: library.caches }),
    bundles: live.bundles,
    labelsOf: live.labelsOf,
    models,
    inference,
    answers,
    escalations: lateAnswers,
    documents,
    ...(updates && { updates }),
    learning,
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
  updates?.wake();
  learning?.wake();
  return ok({
    app,
    inference,
    openInference: server,
    notifyAppended: session.notifyAppended,
    drain: escalator.close,
    async close() {
      session.close();
      updates?.close();
      await library?.taking?.close();
      await travelling?.close();
      await learning?.close();
      await webhook?.close();
      await documents.close();
      // Nobody waits for an audit, but it runs a model and writes to the store.
      await escalator.settled();
      await live.close();
    },
  });
}

/** Each model of the configuration: what runs is its bundle, or what an update has put in its place. */
async function startModels(
  { bundles, lost = [] }: Pick<AgentPorts, 'bundles' | 'lost'>,
  live: LiveModels,
  updates: Pick<OpenedUpdates, 'boot'> | undefined,
): Promise<Result<void>> {
  const named = checkNames(bundles);
  if (!named.ok) return named;
  for (const bundle of bundles) {
    const { name, task } = bundle.manifest;
    const started =
      task === 'tensor'
        ? await live.openTensorModel(bundle)
        : updates
          ? await updates.boot(name, bundle)
          : await openConfigured(bundle, live);
    if (!started.ok) return started;
  }
  for (const name of lost) {
    const started = updates
      ? await updates.boot(name, undefined)
      : err(failure('invalid_bundle', `the bundle of ${name} cannot be read`));
    if (!started.ok) return started;
  }
  return ok(undefined);
}

async function openConfigured(bundle: Bundle, live: LiveModels): Promise<Result<void>> {
  const opened = await live.open(bundle);
  if (!opened.ok) return opened;
  live.serve(opened.value);
  return ok(undefined);
}
