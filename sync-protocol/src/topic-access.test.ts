import { describe, expect, it } from 'vitest';
import { coordinatorMay, deviceMay, topicsByAction } from './topic-access.ts';
import { topicsOf } from './topics.ts';

describe('topic access', () => {
  it('[TOP4] a device publishes what is not down and reads what is, its own alone', () => {
    for (const topic of Object.values(topicsOf('box'))) {
      const down = topic.endsWith('/down');
      expect(deviceMay('box', 'publish', topic)).toBe(!down);
      expect(deviceMay('box', 'subscribe', topic)).toBe(down);
      expect(deviceMay('box-2', 'publish', topic)).toBe(false);
      expect(deviceMay('box-2', 'subscribe', topic)).toBe(false);
      expect(coordinatorMay('publish', topic)).toBe(down);
    }
    expect(topicsByAction('%u').publish).toContain('skerry/v1/%u/up');
    expect(topicsByAction('%u').subscribe).toContain('skerry/v1/%u/down');
  });

  it.each(['#', '+/+/+/+', 'skerry/#', 'skerry/v1/+/down', 'skerry/v1/box/#', '$SYS/#', ''])(
    '[TOP4] a device subscribes to no filter: %s',
    (filter) => {
      expect(deviceMay('box', 'subscribe', filter)).toBe(false);
      expect(coordinatorMay('subscribe', filter)).toBe(false);
    },
  );
});
