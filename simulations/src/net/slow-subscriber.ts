// A client of a broker that subscribes and never reads, and another that sends it more than a connection can hold. A
// broker that waits for such a one makes all others wait. It comes back whenever it is cut off.

import { connect, type Socket } from 'node:net';
import { topicsOf } from '@skerry/sync-protocol';
import { generate, type Packet } from 'mqtt-packet';

export interface SlowSubscriber {
  /** Bytes that the broker has taken for it. */
  readonly flooded: () => number;
  /** How often the broker has cut it off, or was gone. */
  readonly cutOffs: () => number;
  close(): void;
}

const payload = Buffer.alloc(64 * 1024);
const pingEveryMs = 500;
const againMs = 200;
const keepaliveSeconds = 600;

/** On a broker that lets anybody in. */
export function startSlowSubscriber(port: number, floodEveryMs = 50): SlowSubscriber {
  const topic = topicsOf('slow').down;
  let flooded = 0;
  let cutOffs = 0;
  let closed = false;
  const open = new Set<Socket>();

  /** Sends its first packets at once, and comes back whenever it is cut off. */
  const dial = (clientId: string, first: readonly Packet[]): { current: Socket } => {
    const client = { current: undefined as unknown as Socket };
    const again = (): void => {
      const socket = connect(port, '127.0.0.1');
      client.current = socket;
      open.add(socket);
      socket.on('error', () => {}); // 'close' follows.
      socket.on('close', () => {
        open.delete(socket);
        cutOffs += 1;
        if (!closed) setTimeout(again, againMs).unref();
      });
      socket.on('connect', () => {
        for (const packet of [connectPacket(clientId), ...first]) socket.write(generate(packet));
      });
    };
    again();
    return client;
  };

  // A socket that nobody listens to is never read: what the kernel holds for it is all that it takes.
  const reader = dial('slow-reader', [
    { cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos: 0 }] },
  ]);
  const writer = dial('slow-writer', []);
  // Whoever does not read learns that it was cut off only by writing.
  const ping = setInterval(() => {
    if (reader.current.readyState === 'open') reader.current.write(generate({ cmd: 'pingreq' }));
  }, pingEveryMs);
  const flood = setInterval(() => {
    const { current } = writer;
    if (current.readyState !== 'open' || current.writableNeedDrain) return;
    current.write(generate({ cmd: 'publish', topic, payload, qos: 0, dup: false, retain: false }));
    flooded += payload.length;
  }, floodEveryMs);

  return {
    flooded: () => flooded,
    cutOffs: () => cutOffs,
    close() {
      closed = true;
      clearInterval(flood);
      clearInterval(ping);
      for (const socket of open) socket.destroy();
    },
  };
}

const connectPacket = (clientId: string): Packet => ({
  cmd: 'connect',
  protocolId: 'MQTT',
  protocolVersion: 4,
  clean: true,
  clientId,
  keepalive: keepaliveSeconds,
});
