// A device's MQTT connection that costs a load generator little: 3.1.1 over a plain socket, with one parser for all of
// them. It says what the agent's says (will, subscription, presence, QoS 1, pings); it never comes back once it is lost.

import { connect } from 'node:net';
import { defined, err, failure, ok } from '@skerry/shared';
import {
  type DeviceTransport,
  deviceClientId,
  presencePayload,
  topicsOf,
} from '@skerry/sync-protocol';
import { generate, type Packet, parser } from 'mqtt-packet';
import { createFrameCutter } from './mqtt-frames.ts';

/** As sync-protocol/src/mqtt has it. */
const keepaliveSeconds = 15;
const packetIdMax = 65_535;

export interface LightConnection extends DeviceTransport {
  /** Was there and is no more. */
  lost(): boolean;
}

/** @returns how to open a connection for a device */
export function createLightMqtt(brokerUrl: string): (device: string) => LightConnection {
  const { hostname, port } = new URL(brokerUrl);
  const packets = parser({ protocolVersion: 4 });
  let parsed: Packet | undefined;
  packets.on('packet', (packet) => {
    parsed = packet;
  });
  /** The parser is handed one whole packet at a time, so that it holds nothing of anybody between two. */
  const parse = (frame: Uint8Array): Packet => {
    packets.parse(Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength));
    return defined(parsed, 'a whole packet');
  };
  const pingFrame = generate({ cmd: 'pingreq' });

  return (device) => {
    const topics = topicsOf(device);
    const cut = createFrameCutter();
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    let onMessage: (message: Uint8Array) => void = () => {};
    let onConnection: (connected: boolean) => void = () => {};
    let packetId = 0;
    let online = false;
    let lost = false;
    let closed = false;
    /** mqtt.js pings when it has sent nothing for so long. */
    let ping: NodeJS.Timeout | undefined;

    const write = (packet: Packet): void => {
      socket.write(generate(packet));
      ping?.refresh();
    };
    const publish = (topic: string, payload: Uint8Array | string): void => {
      packetId = (packetId % packetIdMax) + 1;
      write({
        cmd: 'publish',
        topic,
        payload: typeof payload === 'string' ? payload : Buffer.from(payload),
        qos: 1,
        dup: false,
        retain: false,
        messageId: packetId,
      });
    };
    const receive = (packet: Packet): void => {
      if (packet.cmd === 'connack' && packet.returnCode === 0)
        write({
          cmd: 'subscribe',
          messageId: ++packetId,
          subscriptions: [topics.down, topics.blobDown].map((topic) => ({ topic, qos: 1 })),
        });
      else if (packet.cmd === 'suback') {
        publish(topics.presence, presencePayload.online);
        online = true;
        onConnection(true);
      } else if (packet.cmd === 'publish') {
        if (packet.qos === 1) write({ cmd: 'puback', messageId: packet.messageId ?? 0 });
        onMessage(packet.payload as Buffer);
      }
    };

    socket.on('connect', () => {
      ping = setInterval(() => socket.write(pingFrame), keepaliveSeconds * 1_000);
      write({
        cmd: 'connect',
        protocolId: 'MQTT',
        protocolVersion: 4,
        clean: true,
        clientId: deviceClientId(device),
        keepalive: keepaliveSeconds,
        will: {
          topic: topics.presence,
          payload: Buffer.from(presencePayload.offline),
          qos: 1,
          retain: false,
        },
      });
    });
    socket.on('data', (chunk) => {
      for (const frame of cut(chunk)) receive(parse(frame));
    });
    socket.on('error', () => {}); // 'close' follows.
    socket.on('close', () => {
      clearInterval(ping);
      lost ||= !closed;
      if (online) onConnection(false);
      online = false;
    });

    return {
      connected: () => online,
      lost: () => lost,
      onMessage(listener) {
        onMessage = listener;
      },
      onConnection(listener) {
        onConnection = listener;
      },
      async send(message) {
        if (!online) return err(failure('unavailable', 'not connected'));
        publish(topics.up, message);
        return ok(undefined);
      },
      async close() {
        closed = true;
        socket.destroy();
      },
    };
  };
}
