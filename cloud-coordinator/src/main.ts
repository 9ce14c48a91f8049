#!/usr/bin/env node
// The coordinator as a process: chooses the adapters.

import type { Server } from 'node:http';
import { join } from 'node:path';
import { createAdaptorServer } from '@hono/node-server';
import { createOnnxNativeRuntime, readVariants } from '@skerry/models/node';
import { collect, type Log, ok, type Result, sleep } from '@skerry/shared';
import {
  createSystemRandom,
  listenHttp,
  type Opened,
  runProcess,
  systemClock,
} from '@skerry/shared/node';
import { createWorkerEngine } from '@skerry/sync-protocol/automerge';
import { Hono } from 'hono';
import { openEmbeddedBroker } from './adapters/embedded-broker.ts';
import { createMqttCoordinatorTransport } from './adapters/mqtt-transport.ts';
import { openBlobs } from './adapters/open-blobs.ts';
import { openSqlite } from './adapters/open-sqlite.ts';
import { createSqlCoordinatorStore } from './adapters/sql-coordinator-store.ts';
import { createSqlDeviceTable } from './adapters/sql-device-table.ts';
import { createSqlDocumentStore } from './adapters/sql-document-store.ts';
import { type CoordinatorConfig, coordinatorConfigSchema } from './config.ts';
import { createCoordinator } from './coordinator.ts';
import { createMetrics, type Metrics } from './observe/metrics.ts';

/** A broker of yours may be away when we start; the one of ours may not. */
const firstConnectionMs = 5_000;

await runProcess({ name: 'skerry-coordinator', schema: coordinatorConfigSchema, start });

async function start(config: CoordinatorConfig, log: Log, opened: Opened): Promise<Result<void>> {
  const clock = systemClock;
  const random = createSystemRandom();
  const metrics = createMetrics();
  const bundles = collect(
    await Promise.all(config.bundles.map((directory) => readVariants(directory, ['cloud']))),
  );
  if (!bundles.ok) return bundles;
  const database = await openSqlite(join(config.dataDir, 'coordinator.sqlite'));
  if (!database.ok) return database;
  opened.push(() => database.value.destroy());
  const brokerUrl = await chooseBroker(config, log, metrics, opened);
  if (!brokerUrl.ok) return brokerUrl;
  const transport = createMqttCoordinatorTransport(brokerUrl.value, config.publishesMax, {
    clock,
    random,
    log,
    onDropped: metrics.failed,
  });
  opened.push(() => transport.close());
  const documentEngine = createWorkerEngine();
  opened.push(() => documentEngine.close());
  const coordinator = await createCoordinator(config, {
    clock,
    random,
    log,
    metrics,
    store: createSqlCoordinatorStore(database.value),
    devices: createSqlDeviceTable(database.value),
    documents: createSqlDocumentStore(database.value),
    documentEngine,
    bundles: bundles.value.flat(),
    createRuntime: createOnnxNativeRuntime,
    transport,
  });
  if (!coordinator.ok) return coordinator;
  opened.push(() => coordinator.value.close());
  const blobPorts = { clock, random, log, onDropped: metrics.failed };
  const blobs = await openBlobs(config, brokerUrl.value, blobPorts);
  if (!blobs.ok) return blobs;
  opened.push(blobs.value.close);
  const app = new Hono()
    .all('/v1/blobs/:digest', (c) => blobs.value.serveBlob(c.req.raw, c.req.param('digest')))
    .all('*', (c) => coordinator.value.fetch(c.req.raw));
  const server = createAdaptorServer({ fetch: app.fetch }) as Server;
  const http = await listenHttp(server, config.httpHost, config.httpPort);
  if (!http.ok) return http;
  opened.push(http.value.close);
  await Promise.race([transport.firstConnected, sleep(clock, firstConnectionMs)]);
  log.info({ httpUrl: http.value.url, mqttUrl: withoutPassword(brokerUrl.value) }, 'listening');
  return ok(undefined);
}

async function chooseBroker(
  config: CoordinatorConfig,
  log: Log,
  metrics: Metrics,
  opened: Opened,
): Promise<Result<string>> {
  if (config.brokerUrl !== undefined) return ok(config.brokerUrl);
  const broker = await openEmbeddedBroker(
    config.mqttHost,
    config.mqttPort,
    { connectionsMax: config.mqttConnectionsMax },
    log,
    () => metrics.failed('malformed_message'),
  );
  if (!broker.ok) return broker;
  opened.push(() => broker.value.close());
  return ok(broker.value.url);
}

function withoutPassword(url: string): string {
  const shown = new URL(url);
  shown.password = '';
  return shown.href.replace(/\/$/, '');
}
