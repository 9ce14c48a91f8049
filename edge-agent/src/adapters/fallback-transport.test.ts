import { createMemoryPipe, createVirtualClock } from '@skerry/sync-protocol/testing';
import { expect, it } from 'vitest';
import { createFallbackTransport } from './fallback-transport.ts';

it('falls back where the preferred pipe stays away, and comes back to it', async () => {
  const clock = createVirtualClock();
  const [mqtt, http] = [createMemoryPipe(clock), createMemoryPipe(clock)];
  const heard: string[] = [];
  mqtt.listen().onMessage(() => heard.push('mqtt'));
  http.listen().onMessage(() => heard.push('http'));
  const connections: boolean[] = [];
  const open = () => http.connect('device-1');
  const transport = createFallbackTransport(mqtt.connect('device-1'), open, clock);
  transport.onConnection((connected) => connections.push(connected));
  const say = async () => {
    const sent = await transport.send(Uint8Array.of(1));
    while (clock.runNext(clock.nowMs()));
    return sent.ok;
  };
  expect(await say()).toBe(true);
  mqtt.setLink('device-1', false);
  expect(await say()).toBe(false);
  while (clock.runNext(clock.nowMs() + 60_000));
  expect(await say()).toBe(true);
  mqtt.setLink('device-1', true);
  expect(await say()).toBe(true);
  expect(heard).toEqual(['mqtt', 'http', 'mqtt']);
  expect(connections).toEqual([false, true, true]);
});
