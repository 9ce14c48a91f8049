// A topic of a broker as a source of documents.

import type { Clock, Log, Random } from '@skerry/shared';
import { openMqttConnection } from '@skerry/sync-protocol/mqtt';
import type { TopicSource } from '../retrieve/sources/source-config.ts';
import type { TopicPort } from '../retrieve/sources/topic-source.ts';

export const createMqttTopic = (
  { name, broker, topic }: TopicSource,
  device: string,
  ports: { readonly clock: Clock; readonly random: Random; readonly log: Log },
): TopicPort => ({
  open: (on) =>
    openMqttConnection(
      {
        brokerUrl: broker,
        clientId: `skerry-source-${device}-${name}`,
        subscriptions: [topic],
        inFlightMax: 1,
      },
      { ...ports, onMessage: (_, payload) => on.message(payload), onConnection: on.connection },
    ),
});
