import { describe, expect, it } from 'vitest';
import {
  blobUpTopicFilter,
  parseTopic,
  presenceTopicFilter,
  topicsOf,
  upTopicFilter,
} from './topics.ts';

describe('topics', () => {
  it('[TOP1] a device has five topics, and each is found again', () => {
    const topics = topicsOf('box-7');
    expect(topics).toEqual({
      up: 'skerry/v1/box-7/up',
      down: 'skerry/v1/box-7/down',
      presence: 'skerry/v1/box-7/presence',
      blobUp: 'skerry/v1/box-7/blob/up',
      blobDown: 'skerry/v1/box-7/blob/down',
    });
    for (const channel of ['up', 'down', 'presence', 'blobUp', 'blobDown'] as const)
      expect(parseTopic(topics[channel])).toEqual({
        ok: true,
        value: { device: 'box-7', channel },
      });
    expect([upTopicFilter, presenceTopicFilter, blobUpTopicFilter]).toEqual([
      'skerry/v1/+/up',
      'skerry/v1/+/presence',
      'skerry/v1/+/blob/up',
    ]);
  });

  it.each([
    'skerry/v1/box/up/more',
    'skerry/v2/box/up',
    'skerry/v1/a/b/up',
    'skerry/v1//up',
    'skerry/v1/+/up',
    'skerry/v1/BOX/up',
    'skerry/v1/box/sideways',
    'skerry/v1/box/blob',
    'skerry/v1/box/blob/sideways',
    'skerry/v1/box/blobUp',
    '/skerry/v1/box/up',
    '',
  ])("[TOP2] refuses '%s'", (topic) => {
    expect(parseTopic(topic)).toMatchObject({ ok: false, error: { code: 'malformed_message' } });
  });
});
