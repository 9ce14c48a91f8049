// `npm run demo:learn` with few labels and rounds: what devices have learned comes back to them as a signed version.

import { expect, it } from 'vitest';
import { promisesOf } from '../learn-demo/report.ts';
import { runLearnStory } from '../learn-demo/run-story.ts';

it('a fleet of which one is killed while it trains and one is cut off learns, and what it has learned is gated, rolled out and better on each device', {
  timeout: 300_000,
}, async () => {
  const events: string[] = [];
  const end = await runLearnStory({
    devices: 3,
    rounds: 3,
    roundMs: 8_000,
    seen: 60,
    exam: 150,
    heldOut: 2_000,
    soakMs: 2_000,
    imagesPerSecond: 15,
    onEvent: (text) => events.push(text),
  });
  expect(
    promisesOf(end).filter(({ kept }) => !kept),
    events.join('\n'),
  ).toEqual([]);
});
