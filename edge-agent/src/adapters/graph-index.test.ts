import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defined } from '@skerry/shared';
import { expect, it } from 'vitest';
import { toFloat16 } from '../retrieve/float16.ts';
import { createMemoryIndex } from '../retrieve/memory-index.ts';
import { createGraphIndex, loadUsearch } from './graph-index.ts';

it('[LIB36] a graph that cannot be written is not tried again, and it is said', () => {
  const halves = toFloat16(Float32Array.from({ length: 64 }, (_, d) => (d === 3 ? 1 : 0)));
  let read = 0;
  const index = createGraphIndex(defined(loadUsearch(), 'usearch'), createMemoryIndex(64), {
    path: join(tmpdir(), 'no-such-folder', 'manuals.collection'),
    dimensions: 64,
    revision: () => 1,
    vectorsAfter: () => (read++ === 0 ? [{ id: 7, halves }] : []),
    scoreOf: (_, id) => ({ id, score: 1 }),
  });
  index.add(7, halves);
  expect(index.work?.()).toBe(false);
  expect(index.state).toMatch(/^no graph, bits are scanned: ./);
  expect(index.work?.()).toBe(false);
  expect(read).toBe(1);
  expect(index.search(new Float32Array(64).fill(0.125), 1)).toMatchObject([{ id: 7 }]);
});
