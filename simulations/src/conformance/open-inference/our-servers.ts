// Our two servers with the kit's models: processes of their own, configured as an operator would.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type SkerryProcess, startProcess } from '../../fleet/process.ts';
import { writeFixtureBundles } from './fixture-bundles.ts';

export interface OurServers {
  readonly agent: SkerryProcess;
  readonly coordinator: SkerryProcess;
  close(): Promise<void>;
}

const deadlineMs = 20_000;

export async function startOurServers(): Promise<OurServers> {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-conformance-'));
  const bundles = (await writeFixtureBundles(join(folder, 'bundles'))).join(',');
  const shared = { bundles, 'http-port': 0, 'grpc-port': 0, 'model-control': 'explicit' };
  const coordinator = await startProcess('coordinator', 'coordinator', {
    ...shared,
    'data-dir': join(folder, 'coordinator'),
    'mqtt-port': 0,
    'infer-queue-rows-max': 2,
  });
  const agent = await startProcess('agent', 'agent', {
    ...shared,
    'data-dir': join(folder, 'agent'),
    broker: coordinator.mqttUrl ?? '',
    'infer-queue-max': 3,
    'deadline-ms': deadlineMs,
  });
  return {
    agent,
    coordinator,
    async close() {
      await agent.stop();
      await coordinator.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export const grpcOf = ({ grpcPort }: SkerryProcess): string => `127.0.0.1:${grpcPort}`;
