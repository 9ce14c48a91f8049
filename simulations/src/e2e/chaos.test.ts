// The short version of `npm run chaos`.

import { expect, it } from 'vitest';
import { runChaos } from '../chaos/run-chaos.ts';
import { hasMosquitto } from '../net/mosquitto.ts';

const ops = 120;

it.for(['aedes', 'mosquitto'] as const)(
  'chaos over %s: each op has one effect',
  {
    timeout: 120_000,
  },
  async (broker, { skip }) => {
    if (broker === 'mosquitto' && !hasMosquitto()) skip('Mosquitto is not installed');
    const result = await runChaos({ broker, ops, seed: 1 });
    const exactly = { taken: ops, answered: ops, accepted: ops, open: 0, repeated: 0 };
    expect(result).toMatchObject(exactly);
    expect(result.disorder.repeated).toBeGreaterThan(0);
    expect(result.disorder.delayed).toBeGreaterThan(0);
  },
);
