// The small industrial PC or gateway: two x86-64 cores, 4 GB of memory, a Debian or Ubuntu on an SSD.

import { datatypes } from '@skerry/models';
import type { Target } from '../target.ts';

const mebibyte = 1024 * 1024;

export const linuxX64: Target = {
  name: 'linux-x64',
  description: 'x86-64 gateway or industrial PC, 2 cores, 4 GB, Linux with glibc 2.28 or newer',
  arch: 'x64',
  os: 'linux',
  cores: 2,
  executionProviders: ['cpu'],
  datatypes,
  // A floor for an Atom without AVX: four FP32 lanes at 2 GHz are 8e9 at best, a quarter of that is taken.
  // `npm run bench` shows what the machine at hand does; a server core does ten times as much.
  macsPerSecond: 2e9,
  budget: {
    // A quarter of the 4 GB: the agent's own process takes about 150 MB, the rest is the app's and the page cache's.
    memoryBytes: 1024 * mebibyte,
    diskBytes: 4096 * mebibyte,
    // Leaves four fifths of the default deadline of 250 ms to the round trip.
    latencyMs: 50,
  },
  // The agent's defaults are made for this class: one thread for the model, the second core for its loop and the app.
  agent: {},
};
