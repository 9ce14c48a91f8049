import { expect, test } from 'vitest';
import { isFollowUp, topicOf } from './follow-up.ts';

const alone = [
  'What is the default port that upsd listens on?',
  'How do I connect a UPS over USB?',
  'What does the killpower file do?',
  'What is upssched for?',
  'Why did upsmon not shut down my system when I pulled the plug?',
];
const goingOn = [
  'And how often?',
  'How long does it take?',
  'What about a serial cable?',
  'Who creates it?',
  'And MINUTES?',
  'Why?',
  'How often?',
  'In a browser?',
  'Which one shuts down last?',
];

test('[CON2] tells a question by itself from one that goes on, by its words alone', () => {
  expect(alone.filter(isFollowUp)).toEqual([]);
  expect(goingOn.filter((each) => !isFollowUp(each))).toEqual([]);
});

test('[CON2] goes on from the last question that was one by itself, over those that went on from it', () => {
  const [port = '', usb = ''] = alone;
  expect(topicOf('And how often?', [port, usb, 'Why?'])).toBe(usb);
  expect(topicOf(usb, [port])).toBeUndefined();
  expect(topicOf('Why?', [])).toBeUndefined();
  expect(topicOf('Why?', ['And how often?'])).toBe('And how often?');
});
