// Each fault over real sockets: what comes through of one message and of its echo.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { assert, createRandom } from '@skerry/shared';
import { expect, it, onTestFinished, vi } from 'vitest';
import { createFaultProxy, type Fault } from './fault-proxy.ts';

async function open(fault: Fault, refuses: '503' | 'reset' = 'reset') {
  let heard = '';
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      heard += chunk;
      socket.write(chunk);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert(typeof address === 'object' && address !== null, 'an address');
  const target = { host: '127.0.0.1', port: address.port, refuses };
  const proxy = await createFaultProxy(target, createRandom(1));
  onTestFinished(async () => {
    await proxy.close();
    server.close();
  });
  proxy.set(fault);
  let echoed = '';
  let isReset = false;
  const client = connect(proxy.port, '127.0.0.1');
  client.on('data', (chunk) => {
    echoed += chunk;
  });
  client.on('error', () => {
    isReset = true;
  });
  client.write(message);
  onTestFinished(() => void client.destroy());
  return () => ({ heard: heard.length, echoed, isReset });
}

const message = 'x'.repeat(1_000);
const nothing = { heard: 0, echoed: '', isReset: false };
/** Long enough for what would come through to have come. */
const quietMs = 100;

it.each([
  ['none', { heard: message.length, echoed: message }],
  ['half-open', { heard: message.length, echoed: '' }],
  ['refusals', { ...nothing, isReset: true }],
  ['flapping', { ...nothing, isReset: true }],
] as const)('%s', async (fault, expected) => {
  const seen = await open(fault);
  await vi.waitFor(() => expect(seen()).toMatchObject(expected));
  await sleep(quietMs);
  expect(seen()).toMatchObject(expected);
});

it('black-hole', async () => {
  const seen = await open('black-hole');
  await sleep(quietMs);
  expect(seen()).toEqual(nothing);
});

it('slow-drip', async () => {
  const seen = await open('slow-drip');
  await vi.waitFor(() => expect(seen().heard).toBeGreaterThan(0));
  expect(seen().heard).toBeLessThan(message.length);
});

it('refuses in HTTP where it is told to', async () => {
  const seen = await open('refusals', '503');
  await vi.waitFor(() => expect(seen().echoed).toContain('503 Service Unavailable'));
});
