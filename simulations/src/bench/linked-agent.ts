// A real agent and a real coordinator, and between them a link that the measurement owns.

import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { assert } from '@skerry/shared';
import { startProcess } from '../fleet/process.ts';
import { createHttpClient, type HttpClient } from './http-client.ts';

export interface Link {
  readonly port: number;
  close(): Promise<void>;
}

export interface LinkedAgent<L extends Link> {
  readonly client: HttpClient;
  readonly link: L;
  close(): Promise<void>;
}

export type Asked = Awaited<ReturnType<HttpClient['infer']>>;

/** Not an exit that its guarantee covers. */
export const isUnsure = ({ source, degraded }: Asked): boolean => degraded || source === 'cloud';

const connectTimeoutMs = 20_000;
const pollMs = 20;

/** Resolves when the agent has reached its coordinator. */
export async function openLinkedAgent<L extends Link>(
  folder: string,
  openLink: (broker: { readonly host: string; readonly port: number }) => Promise<L>,
): Promise<LinkedAgent<L>> {
  const data = await mkdtemp(join(folder, 'linked-'));
  const coordinator = await startProcess('coordinator', 'coordinator', {
    'http-port': 0,
    'mqtt-port': 0,
    'data-dir': join(data, 'coordinator'),
  });
  const { hostname, port } = new URL(coordinator.mqttUrl ?? '');
  const link = await openLink({ host: hostname, port: Number(port) });
  const agent = await startProcess('agent', 'bench', {
    device: 'bench',
    'http-port': 0,
    'data-dir': join(data, 'agent'),
    broker: `mqtt://127.0.0.1:${link.port}`,
  });
  const client = createHttpClient(agent.httpUrl);
  await linkUp(client);
  return {
    client,
    link,
    async close() {
      client.close();
      await agent.kill();
      await link.close();
      await coordinator.stop();
    },
  };
}

async function linkUp(client: HttpClient): Promise<void> {
  const untilMs = performance.now() + connectTimeoutMs;
  while ((await client.linkState()) !== 'up') {
    assert(performance.now() < untilMs, 'the agent reaches its coordinator');
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}
