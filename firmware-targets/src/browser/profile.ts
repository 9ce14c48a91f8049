// A page in a browser of the last few years, on a phone or a laptop: onnxruntime-web's WebAssembly with SIMD, one thread.
// The agent that serves the page (GET /app) owns the outbox; what runs here is a bundle's edge stages and the decision.

import { datatypes } from '@skerry/models';
import type { Target } from '../target.ts';

const mebibyte = 1024 * 1024;

export const browser: Target = {
  name: 'browser',
  description: 'a page with WebAssembly SIMD, on a phone or a laptop',
  arch: 'wasm32',
  os: 'browser',
  // Threads take a page that is isolated from other origins, which one inside an app often is not.
  cores: 1,
  executionProviders: ['wasm'],
  datatypes,
  // A floor for a phone: four FP32 lanes at 2 GHz are 8e9 at best, a sixteenth of that is taken. The digits' first stage,
  // 330 000 multiply-accumulates, takes 0.4 ms on the x64 machine that this was written on: 8e8.
  macsPerSecond: 5e8,
  budget: {
    // A 32-bit WebAssembly memory ends at 4 GB, a phone's browser ends a page long before; the runtime itself takes 60.
    memoryBytes: 256 * mebibyte,
    // What is fetched, and kept in the browser's cache.
    diskBytes: 64 * mebibyte,
    // It runs on the thread that draws: two frames of sixty a second.
    latencyMs: 33,
  },
  // Nothing queues here: the page asks one thing at a time.
  agent: { inferQueueMax: 1 },
};
