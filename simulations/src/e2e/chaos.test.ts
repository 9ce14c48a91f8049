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
    const result = await runChaos({ broker, ops });
    expect(result).toMatchObject({ taken: ops, answered: ops, repeated: 0 });
  },
);
