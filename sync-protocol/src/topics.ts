// The MQTT topics. A device publishes to its `up`, `presence` and `blob/up` and reads its `down` and
// `blob/down`, and nothing else. [TOP1–TOP3]

import { err, failure, nameSchema, ok, type Result } from '@skerry/shared';

const prefix = 'skerry/v1';

/** What the coordinator subscribes to. */
export const upTopicFilter = `${prefix}/+/up`;
export const presenceTopicFilter = `${prefix}/+/presence`;
export const blobUpTopicFilter = `${prefix}/+/blob/up`;

export interface DeviceTopics {
  readonly up: string;
  readonly down: string;
  readonly presence: string;
  readonly blobUp: string;
  readonly blobDown: string;
}

export function topicsOf(device: string): DeviceTopics {
  return {
    up: `${prefix}/${device}/up`,
    down: `${prefix}/${device}/down`,
    presence: `${prefix}/${device}/presence`,
    blobUp: `${prefix}/${device}/blob/up`,
    blobDown: `${prefix}/${device}/blob/down`,
  };
}

export type Channel = keyof DeviceTopics;

const channels: ReadonlyMap<string, Channel> = new Map([
  ['up', 'up'],
  ['down', 'down'],
  ['presence', 'presence'],
  ['blob/up', 'blobUp'],
  ['blob/down', 'blobDown'],
]);

/** Which device and which of its topics a topic is. Fails with `malformed_message` for a topic that is none of ours. */
export function parseTopic(
  topic: string,
): Result<{ readonly device: string; readonly channel: Channel }> {
  const [, device, rest = ''] = /^skerry\/v1\/([^/]+)\/(.+)$/.exec(topic) ?? [];
  const channel = channels.get(rest);
  const parsed = nameSchema.safeParse(device);
  if (!parsed.success || channel === undefined)
    return err(failure('malformed_message', `not a topic of a device: '${topic.slice(0, 128)}'`));
  return ok({ device: parsed.data, channel });
}

/** The payload of `presence`, and the last will. Not retained: a broker's memory of a device that left would lie. */
export const presencePayload = { online: 'online', offline: 'offline' } as const;
