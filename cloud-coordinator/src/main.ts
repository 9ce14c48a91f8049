#!/usr/bin/env node
// The coordinator as a process: chooses the adapters, and closes them in the reverse of the order it opened them in.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createAdaptorServer } from '@hono/node-server';
import { createOnnxNativeRuntime } from '@skerry/models/node';
import {
  describeConfig,
  err,
  failure,
  type Log,
  messageOf,
  ok,
  type Result,
  sleep,
} from '@skerry/shared';
import { createLog, createSystemRandom, loadProcessConfig, systemClock } from '@skerry/shared/node';
import { openEmbeddedBroker } from './adapters/embedded-broker.ts';
import { createMqttCoordinatorTransport } from './adapters/mqtt-transport.ts';
import { openSqlite } from './adapters/open-sqlite.ts';
import { createSqlCoordinatorStore } from './adapters/sql-coordinator-store.ts';
import { createSqlDeviceTable } from './adapters/sql-device-table.ts';
import { type CoordinatorConfig, coordinatorConfigSchema } from './config.ts';
import { createCoordinator } from './coordinator.ts';
import { readBundles } from './infer/read-bundles.ts';
import { createMetrics, type Metrics } from './observe/metrics.ts';

const exitCodes = { ok: 0, failed: 1, badConfig: 2 } as const;
/** A broker of yours may be away when we start; the one of ours may not. */
const firstConnectionMs = 5_000;
const closeTimeoutMs = 10_000;
const httpConnectionsMax = 1_024;

/** What has been opened, to be closed in reverse. */
type Opened = (() => Promise<unknown>)[];

await main();

async function main(): Promise<void> {
  if (process.argv.includes('--help')) {
    process.stdout.write(`skerry-coordinator\n\n${describeConfig(coordinatorConfigSchema)}\n`);
    return;
  }
  const config = loadProcessConfig(coordinatorConfigSchema, process.argv.slice(2), process.env);
  if (!config.ok) {
    process.stderr.write(`${config.error.message}\n`);
    process.exit(exitCodes.badConfig);
  }
  const log = createLog('coordinator', config.value.logLevel);
  const opened: Opened = [];
  const stopped = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
  const started = await start(config.value, log, opened);
  if (started.ok) await stopped;
  else log.error({ code: started.error.code, reason: started.error.message }, 'cannot start');
  const closed = await close(opened, log);
  process.exit(started.ok && closed ? exitCodes.ok : exitCodes.failed);
}

async function start(config: CoordinatorConfig, log: Log, opened: Opened): Promise<Result<void>> {
  const clock = systemClock;
  const random = createSystemRandom();
  const metrics = createMetrics();
  const bundles = await readBundles(config.bundles.split(',').map((path) => path.trim()));
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
  const coordinator = await createCoordinator(config, {
    clock,
    random,
    log,
    metrics,
    store: createSqlCoordinatorStore(database.value),
    devices: createSqlDeviceTable(database.value),
    bundles: bundles.value,
    createRuntime: createOnnxNativeRuntime,
    transport,
  });
  if (!coordinator.ok) return coordinator;
  opened.push(() => coordinator.value.close());
  const httpUrl = await openHttp(config, coordinator.value.fetch, opened);
  if (!httpUrl.ok) return httpUrl;
  await Promise.race([transport.firstConnected, sleep(clock, firstConnectionMs)]);
  log.info({ httpUrl: httpUrl.value, mqttUrl: withoutPassword(brokerUrl.value) }, 'listening');
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

async function openHttp(
  { httpHost, httpPort }: CoordinatorConfig,
  fetch: (request: Request) => Response | Promise<Response>,
  opened: Opened,
): Promise<Result<string>> {
  const server = createAdaptorServer({ fetch });
  if ('maxConnections' in server) server.maxConnections = httpConnectionsMax;
  try {
    server.listen(httpPort, httpHost);
    await once(server, 'listening');
  } catch (thrown) {
    return err(failure('unavailable', `HTTP on ${httpHost}:${httpPort}: ${messageOf(thrown)}`));
  }
  opened.push(async () => {
    const closed = once(server, 'close');
    server.close();
    // Event streams never end by themselves.
    if ('closeAllConnections' in server) server.closeAllConnections();
    await closed;
  });
  const { port } = server.address() as AddressInfo;
  return ok(`http://${httpHost.includes(':') ? `[${httpHost}]` : httpHost}:${port}`);
}

/** False where something did not close in time, or not cleanly. */
async function close(opened: Opened, log: Log): Promise<boolean> {
  const closeAll = async (): Promise<true> => {
    for (const closeOne of opened.reverse()) await closeOne();
    return true;
  };
  const overdue = sleep(systemClock, closeTimeoutMs).then(() => {
    log.error({ closeTimeoutMs }, 'did not close in time');
    return false;
  });
  try {
    return await Promise.race([closeAll(), overdue]);
  } catch (thrown) {
    log.error({ reason: messageOf(thrown) }, 'did not close cleanly');
    return false;
  }
}

function withoutPassword(url: string): string {
  const shown = new URL(url);
  shown.password = '';
  return shown.href.replace(/\/$/, '');
}
