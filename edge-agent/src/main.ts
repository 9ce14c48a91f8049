#!/usr/bin/env node
// skerry-agent: chooses the adapters, opens them, and closes them in the reverse order.

import { join } from 'node:path';
import { type ServerType, serve } from '@hono/node-server';
import { createOnnxNativeRuntime, readBundle } from '@skerry/models/node';
import {
  createId,
  describeConfig,
  type Failure,
  type Result,
  redactConfig,
  sleep,
} from '@skerry/shared';
import { createLog, createSystemRandom, loadProcessConfig, systemClock } from '@skerry/shared/node';
import { createMqttDeviceTransport } from './adapters/mqtt-transport.ts';
import { packTensor } from './adapters/pack-tensor.ts';
import { openDatabase } from './adapters/sqlite-database.ts';
import { createSqliteDeviceStore } from './adapters/sqlite-device-store.ts';
import { createSqliteEscalationStore } from './adapters/sqlite-escalation-store.ts';
import { type Agent, createAgent } from './agent.ts';
import { type AgentConfig, agentConfigSchema } from './config.ts';

/** What is still open after this long is left to the operating system. */
const shutdownMs = 5_000;

async function main(): Promise<void> {
  const argv = process.argv.slice(2);
  if (argv.includes('--help')) {
    process.stdout.write(
      `skerry-agent [--config FILE] [--key value]…\n${describeConfig(agentConfigSchema)}\n`,
    );
    return;
  }
  const config = orExit(loadProcessConfig(agentConfigSchema, argv, process.env));
  const log = createLog('agent', config.logLevel);
  const clock = systemClock;
  const random = createSystemRandom();
  log.debug({ config: JSON.stringify(redactConfig(agentConfigSchema, config)) }, 'configuration');

  const bundles = await Promise.all(
    config.bundles.split(',').map(async (path) => orExit(await readBundle(path.trim(), ['edge']))),
  );
  const database = orExit(openDatabase(join(config.dataDir, 'agent.db')));
  const newEpoch = () => createId(clock.nowMs(), random);
  const store = orExit(createSqliteDeviceStore(database, config.device, newEpoch, config));
  const escalations = createSqliteEscalationStore(database, config.answersMax);
  const runtime = createOnnxNativeRuntime();
  const transport = createMqttDeviceTransport(config, { clock, random, log });
  const agent = orExit(
    await createAgent(config, {
      bundles,
      runtime,
      store,
      escalations,
      transport,
      pack: packTensor,
      clock,
      random,
      log,
    }),
  );
  const server = await listen(agent, config);
  log.info({ device: config.device, httpUrl: urlOf(server) }, 'listening');

  const stop = async (): Promise<void> => {
    void sleep(clock, shutdownMs).then(() => process.exit(1));
    server.close();
    if ('closeAllConnections' in server) server.closeAllConnections();
    await agent.close();
    await transport.close();
    await runtime.close();
    database.close();
    log.info({}, 'stopped');
    process.exit(0);
  };
  process.once('SIGTERM', () => void stop());
  process.once('SIGINT', () => void stop());
}

function listen({ app }: Agent, { httpHost, httpPort }: AgentConfig): Promise<ServerType> {
  return new Promise((resolve, reject) => {
    const server = serve({ fetch: app.fetch, hostname: httpHost, port: httpPort }, () =>
      resolve(server),
    );
    server.once('error', reject);
  });
}

function urlOf(server: ServerType): string {
  const address = server.address();
  return typeof address === 'object' && address !== null
    ? `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`
    : String(address);
}

function orExit<T>(result: Result<T, Failure>): T {
  if (result.ok) return result.value;
  process.stderr.write(`skerry-agent: ${result.error.code}: ${result.error.message}\n`);
  process.exit(1);
}

main().catch((thrown: unknown) => {
  process.stderr.write(`skerry-agent: ${thrown instanceof Error ? thrown.message : thrown}\n`);
  process.exit(1);
});
