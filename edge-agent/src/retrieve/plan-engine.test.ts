import { expect, it } from 'vitest';
import { type EngineNeeds, planEngine } from './plan-engine.ts';

const needs: EngineNeeds = {
  wanted: 'auto',
  vectors: 10_000,
  dimensions: 384,
  memoryBytesMax: 64 * 2 ** 20,
  hasGraphs: true,
};

it.each([
  ['memory', {}, '10000 vectors take 8 MiB of memory, of 64 MiB that they may'],
  ['sqlite-vec', { vectors: 100_000 }, 'more than the 64 MiB'],
  ['sqlite-vec', { memoryBytesMax: 0 }, 'more than the 0 MiB'],
  ['usearch', { vectors: 200_000 }, 'a graph finds them without a scan'],
  ['sqlite-vec', { vectors: 200_000, hasGraphs: false }, 'more than'],
  ['sqlite-vec', { wanted: 'usearch', hasGraphs: false }, 'cannot be loaded'],
  ['usearch', { wanted: 'usearch' }, 'as configured'],
  ['memory', { wanted: 'memory', vectors: 1_000_000 }, 'as configured'],
] as const)('[LIB35] plans %s for %j, and says why', (engine, others, reason) => {
  expect(planEngine({ ...needs, ...others })).toEqual({
    engine,
    reason: expect.stringContaining(reason),
  });
});
