// Who may publish where, for brokers: whatever a broker enforces is derived from topics.ts by these. [TOP4]

import { parseTopic, topicsOf } from './topics.ts';

export type TopicAction = 'publish' | 'subscribe';

/** A topic that ends in `down` is the coordinator's to publish and the device's to read; any other is the reverse. */
const isDown = (topic: string): boolean => topic.endsWith('/down');

/** Whether a device may do that. It subscribes to topics, never to filters. */
export function deviceMay(device: string, action: TopicAction, topic: string): boolean {
  const parsed = parseTopic(topic);
  return parsed.ok && parsed.value.device === device && isDown(topic) === (action === 'subscribe');
}

/** Whether the coordinator may: it publishes to any device, and subscribes to what all of them publish. */
export function coordinatorMay(action: TopicAction, topic: string): boolean {
  if (action === 'publish') return isDown(topic) && parseTopic(topic).ok;
  return !isDown(topic) && (Object.values(topicsOf('+')) as string[]).includes(topic);
}

/** What `name` publishes and what it reads. `name` may be a broker's placeholder, or `+` for all devices. */
export function topicsByAction(name: string): Readonly<Record<TopicAction, readonly string[]>> {
  const topics: string[] = Object.values(topicsOf(name));
  return {
    publish: topics.filter((topic) => !isDown(topic)),
    subscribe: topics.filter(isDown),
  };
}

/** What a device calls itself to a broker. One certificate, one id: nobody ends another's connection by taking its id. */
export const deviceClientId = (device: string): string => `skerry-${device}`;
