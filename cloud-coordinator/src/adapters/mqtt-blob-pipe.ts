// The coordinator's pipe for blobs in chunks: an MQTT connection of its own, so that chunks never delay an Exchange.

import {
  type Clock,
  createId,
  type FailureCode,
  type Log,
  type Random,
  type Result,
} from '@skerry/shared';
import { parseTopic, topicsOf } from '@skerry/sync-protocol';
import { blobUpTopicFilter } from '@skerry/sync-protocol/blobs';
import { openMqttConnection } from '@skerry/sync-protocol/mqtt';

export interface MqttBlobPipe {
  onMessage(listener: (device: string, message: Uint8Array) => void): void;
  send(device: string, message: Uint8Array): Promise<Result<void>>;
  close(): Promise<void>;
}

export interface MqttBlobPipePorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  onDropped(code: FailureCode): void;
}

/** `inFlightMax`: publishes that the broker has not acknowledged. */
export function openMqttBlobPipe(
  brokerUrl: string,
  inFlightMax: number,
  { clock, random, log, onDropped }: MqttBlobPipePorts,
): MqttBlobPipe {
  let onMessage: (device: string, message: Uint8Array) => void = () => {};
  const connection = openMqttConnection(
    {
      brokerUrl,
      clientId: `skerry-coordinator-blob-${createId(clock.nowMs(), random)}`,
      subscriptions: [blobUpTopicFilter],
      inFlightMax,
    },
    {
      clock,
      random,
      log,
      onMessage(topic, payload) {
        const parsed = parseTopic(topic);
        if (parsed.ok && parsed.value.channel === 'blobUp') onMessage(parsed.value.device, payload);
        else onDropped('malformed_message');
      },
      onConnection: () => {},
    },
  );
  return {
    onMessage(listener) {
      onMessage = listener;
    },
    send: (device, message) => connection.publish(topicsOf(device).blobDown, message),
    close: connection.close,
  };
}
