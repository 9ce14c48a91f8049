// The Raspberry Pi 4 and 5 class: four Cortex-A72 or A76 cores, 64-bit Debian on an SD card. The Pi 4 with 2 GB is
// the smallest of the class, so it sets every number here.

import { datatypes } from '@skerry/models';
import type { Target } from '../target.ts';

const mebibyte = 1024 * 1024;

export const linuxArm64: Target = {
  name: 'linux-arm64',
  description: 'Raspberry Pi 4 or 5 class, 4 cores, 2 GB or more, 64-bit Debian',
  arch: 'arm64',
  os: 'linux',
  cores: 4,
  executionProviders: ['cpu'],
  datatypes,
  // A floor: Inception v4, 12.3e9 multiply-accumulates, runs at 2 frames a second on the four cores of a Pi 4 clocked
  // to 1.95 GHz (TensorFlow Lite; github.com/Qengineering/TensorFlow_Lite_Classification_RPi_64-bits): 6e9 a core. A
  // sixth of it is counted on, for an ordinary clock, FP32 where that was 8-bit, and heat.
  macsPerSecond: 1e9,
  budget: {
    // An eighth of the 2 GB: a desktop-less Debian and the app take half, the agent's own process about 150 MB.
    memoryBytes: 256 * mebibyte,
    // The card is 16 GB or more, the system takes half, and the outbox and the app's own data come first.
    diskBytes: 1024 * mebibyte,
    // Two fifths of the default deadline of 250 ms; the round trip has the rest.
    latencyMs: 100,
  },
  agent: {
    // Two of four cores for the model: two are left to the agent's loop and the app, and the heat stays bearable.
    threads: 2,
    // Requests that wait for the model longer than their deadline help nobody.
    inferQueueMax: 64,
    // An SD card is small and wears: what stays unsent is bounded tighter than on an SSD.
    outboxBytesMax: 64 * mebibyte,
    answersMax: 20_000,
  },
};
