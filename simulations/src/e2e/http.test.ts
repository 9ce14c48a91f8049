// Both HTTP transports against each other, through a link that can be cut.

import {
  createExchangeRoutes,
  createHttpServer,
  createHttpTransport,
} from '@skerry/cloud-coordinator';
import { createHttpDeviceTransport } from '@skerry/edge-agent';
import { createRandom, silentLog } from '@skerry/shared';
import { listenHttp, systemClock } from '@skerry/shared/node';
import { transportContract } from '@skerry/sync-protocol/testing';
import { vi } from 'vitest';
import { createTcpProxy } from '../net/tcp-proxy.ts';

const ports = { clock: systemClock, random: createRandom(1), log: silentLog };

transportContract('HTTP', async () => {
  const { transport: coordinator, pipe } = createHttpTransport(systemClock, 10);
  const { server } = createHttpServer(createExchangeRoutes(pipe, false).fetch, undefined);
  const listening = await listenHttp(server, '127.0.0.1', 0);
  if (!listening.ok) throw new Error(listening.error.message);
  const { port } = new URL(listening.value.url);
  const proxy = await createTcpProxy({ host: '127.0.0.1', port: Number(port) });
  return {
    coordinator,
    async connect(device) {
      const coordinatorUrl = `http://127.0.0.1:${proxy.port}`;
      const transport = createHttpDeviceTransport({ device, coordinatorUrl }, ports);
      await vi.waitUntil(transport.connected, { timeout: 5_000 });
      return transport;
    },
    cut: async () => proxy.set('cut'),
    heal: async () => proxy.set('pass'),
    async close() {
      await coordinator.close();
      await proxy.close();
      await listening.value.close();
    },
  };
});
