// All models that can be asked here: those that this coordinator hosts, computed by itself or by its upstreams, and those
// that only upstreams have.

import { executionProperties, type Residency, type Runtime } from '@skerry/models';
import { type Embedder, type EmbedderFiles, openEmbedder } from '@skerry/models/embedding';
import type { Bundle } from '@skerry/models/node';
import type { OpenInferenceServer } from '@skerry/models/open-inference';
import {
  type Clock,
  collect,
  err,
  failure,
  type Log,
  ok,
  type Random,
  type Result,
  sleep,
} from '@skerry/shared';
import type { CoordinatorConfig } from './config.ts';
import { openHostedModel } from './infer/hosted-model.ts';
import { type ModelHost, openModelHost } from './infer/model-host.ts';
import {
  createRegisteredModels,
  type ReadRegistered,
  type RegisteredModels,
} from './infer/registered-models.ts';
import { limitsOf } from './infer/serving-config.ts';
import { embeddedMember } from './infer/upstreams/embedded-upstream.ts';
import { createRemoteModels } from './infer/upstreams/remote-models.ts';
import { createTensorRoute, type TensorRoute } from './infer/upstreams/tensor-route.ts';
import {
  createUpstreamPool,
  type PoolMember,
  type UpstreamPool,
  upstreamPoolDefaults,
} from './infer/upstreams/upstream-pool.ts';
import type { Metrics } from './observe/metrics.ts';
import { createHostedEmbedder, type HostedEmbedder } from './text/hosted-embedder.ts';

export interface ModelAdapters {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** What this coordinator hosts, as it lies on disk now: read at start, and when a model is loaded anew. */
  readonly readBundles: () => Promise<Result<readonly Bundle[]>>;
  /** What devices may run besides; without it nothing. */
  readonly readRegistered?: ReadRegistered | undefined;
  readonly createRuntime: () => Runtime;
  /** Makes vectors for devices that have no embedder. */
  readonly embedder?: EmbedderFiles | undefined;
  /** The memory that all models share. */
  readonly residency: Residency;
  /** Who else computes; without any, this coordinator does all itself. */
  readonly upstreams?: readonly PoolMember[];
  readonly metrics: Metrics;
}

export interface OpenModels {
  readonly host: ModelHost;
  readonly registered: RegisteredModels | undefined;
  readonly pool: UpstreamPool;
  readonly server: OpenInferenceServer;
  /** Together with what still asks: the models let go of what waits. */
  close(): Promise<void>;
}

const coordinatorVersion = '0.1.0';
/** For upstreams to say what they have; those that are away then are found later. */
const firstLookMs = 2_000;

/** Fails where a bundle cannot be loaded. */
export async function openModels(
  config: CoordinatorConfig,
  adapters: ModelAdapters,
  ready: () => boolean,
): Promise<Result<OpenModels>> {
  const { clock, log, upstreams = [] } = adapters;
  const embedding = await openHostedEmbedder(config, adapters);
  if (!embedding.ok) return embedding;
  const embedder = embedding.value;
  let host: ModelHost | undefined;
  const embedded = embeddedMember(
    async (model, feeds) => host?.runHere(model, feeds) ?? err(notYet),
    (model) => host?.has(model) ?? false,
  );
  const pool = createUpstreamPool(
    [...upstreams, embedded, ...(embedder === undefined ? [] : [embedder.member])],
    { ...upstreamPoolDefaults, balancing: config.balancing, hedgeShareMax: config.hedgeShareMax },
    adapters,
  );
  const route = createTensorRoute(pool, config.upstreamTimeoutMs);
  const hosting = await openHost(config, adapters, ready, upstreams.length > 0 ? route : undefined);
  if (!hosting.ok) {
    pool.close();
    await embedder?.close();
    return hosting;
  }
  host = hosting.value;
  const { has, server, close, waiting } = host;
  const { healthEveryMs, healthTimeoutMs } = upstreamPoolDefaults;
  const remote = createRemoteModels(
    upstreams,
    { refreshEveryMs: healthEveryMs, refreshTimeoutMs: healthTimeoutMs },
    { pool, route, clock, log },
  );
  if (upstreams.length > 0) await Promise.race([remote.refresh(), sleep(clock, firstLookMs)]);
  const registered =
    adapters.readRegistered === undefined
      ? undefined
      : createRegisteredModels({
          read: adapters.readRegistered,
          open: (bundle) =>
            openHostedModel(bundle, limitsOf(config, bundle.manifest.name), {
              ...adapters,
              onBatch: onBatchOf(adapters.metrics),
            }),
          clock,
          log,
        });
  const remoteModels = () => remote.models().filter(({ description }) => !has(description.name));
  return ok({
    host: {
      ...host,
      waiting: () =>
        embedder === undefined
          ? waiting()
          : new Map([...waiting(), [embedder.name, embedder.waiting()]]),
    },
    registered,
    pool,
    server: { ...server, models: () => [...server.models(), ...remoteModels()] },
    async close() {
      remote.close();
      await Promise.all([close(), registered?.close(), embedder?.close()]);
      pool.close();
    },
  });
}

const notYet = failure('unavailable', 'no model is loaded yet');

/** As many instances as other models have, each on a thread of the pool. */
async function openHostedEmbedder(
  config: CoordinatorConfig,
  { embedder: files, createRuntime, residency, clock, log, metrics }: ModelAdapters,
): Promise<Result<HostedEmbedder | undefined>> {
  if (files === undefined) return ok(undefined);
  const limits = limitsOf(config, files.description.name);
  const opened = await Promise.all(
    Array.from({ length: limits.slots }, async () => {
      const runtime = createRuntime();
      const instance = await openEmbedder(files, runtime, { threads: limits.threads, residency });
      if (!instance.ok) await runtime.close();
      return instance.ok ? ok(withRuntime(instance.value, runtime)) : instance;
    }),
  );
  const instances = collect(opened);
  if (instances.ok) {
    const properties = executionProperties(instances.value.map((each) => each.execution()));
    if (Object.keys(properties).length > 0)
      log.info({ embedder: files.description.name, ...properties }, 'embedder loaded');
    return ok(
      createHostedEmbedder(instances.value, limits, { clock, onBatch: onBatchOf(metrics) }),
    );
  }
  for (const instance of opened) if (instance.ok) await instance.value.close();
  return instances;
}

const withRuntime = (embedder: Embedder, runtime: Runtime): Embedder => ({
  ...embedder,
  async close() {
    await embedder.close();
    await runtime.close();
  },
});

async function openHost(
  config: CoordinatorConfig,
  { readBundles, createRuntime, residency, embedder, clock, log, metrics }: ModelAdapters,
  ready: () => boolean,
  route: TensorRoute | undefined,
): Promise<Result<ModelHost>> {
  const bundles = await readBundles();
  if (!bundles.ok) return bundles;
  return openModelHost(
    bundles.value,
    {
      version: coordinatorVersion,
      modelControl: config.modelControl,
      limitsOf: (model) => limitsOf(config, model),
      named: Object.keys(config.modelServing).filter((name) => name !== embedder?.description.name),
    },
    {
      readBundles,
      createRuntime,
      residency,
      clock,
      log,
      ready,
      route,
      onBatch: onBatchOf(metrics),
    },
  );
}

function onBatchOf(metrics: Metrics) {
  return (model: string, rows: number, computeMs: number): void => {
    metrics.batchRows.observe({ model }, rows);
    metrics.inferSeconds.observe({ model }, computeMs / 1_000);
  };
}
