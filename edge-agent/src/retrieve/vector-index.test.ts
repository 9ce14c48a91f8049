import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom, defined, type Random } from '@skerry/shared';
import Database from 'better-sqlite3';
import * as sqliteVec from 'sqlite-vec';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createGraphIndex, loadUsearch } from '../adapters/graph-index.ts';
import { createSqliteVecIndex } from '../adapters/sqlite-vec-index.ts';
import { dotFloat16, fromFloat16, toFloat16 } from './float16.ts';
import { createMemoryIndex } from './memory-index.ts';
import type { VectorIndex } from './vector-index.ts';

const dimensions = 256;
const normal = (vector: Float32Array): Float32Array => {
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
};
const unit = (random: Random): Float32Array =>
  normal(Float32Array.from({ length: dimensions }, () => random.gaussian()));
const dot = (a: Float32Array, b: Float32Array): number =>
  a.reduce((sum, value, d) => sum + value * (b[d] as number), 0);

/** The halves are the collection's table, which every engine's rows are written beside. */
function openSqliteVec(memoryBytesMax = 2 ** 20) {
  const database = new Database(':memory:');
  onTestFinished(() => void database.close());
  sqliteVec.load(database);
  database.exec('CREATE TABLE vector (passage INTEGER PRIMARY KEY, halves BLOB)');
  const insert = database.prepare('INSERT OR REPLACE INTO vector VALUES (?, ?)');
  const index = createSqliteVecIndex(database, dimensions, () => memoryBytesMax);
  const add = (id: number, vector: Float32Array) => {
    const halves = toFloat16(vector);
    insert.run(id, new Uint8Array(halves.buffer));
    index.add(id, halves);
  };
  return { ...index, add, size: () => index.size };
}

function openMemory() {
  const index = createMemoryIndex(dimensions);
  const add = (id: number, vector: Float32Array) => index.add(id, toFloat16(vector));
  return { ...index, add, size: () => index.size };
}

/** With its graph built before each search. */
function openGraph() {
  const folder = mkdtempSync(join(tmpdir(), 'skerry-graph-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const vectors = new Map<number, Uint16Array>();
  const index = createGraphIndex(defined(loadUsearch(), 'usearch'), createMemoryIndex(dimensions), {
    path: join(folder, 'manuals.collection'),
    dimensions,
    revision: () => 1,
    vectorsAfter: (after, count) =>
      [...vectors]
        .filter(([id]) => id > after)
        .slice(0, count)
        .map(([id, halves]) => ({ id, halves })),
    scoreOf: (query, id) => ({
      id,
      score: dotFloat16(query, defined(vectors.get(id), `vector ${id}`), 0),
    }),
  });
  return {
    ...index,
    add(id: number, vector: Float32Array) {
      const halves = toFloat16(vector);
      vectors.set(id, halves);
      index.add(id, halves);
    },
    remove(id: number) {
      vectors.delete(id);
      index.remove(id);
    },
    search(...asked: Parameters<VectorIndex['search']>) {
      while (index.work?.());
      return index.search(...asked);
    },
    size: () => index.size,
  };
}

describe.each([
  ['sqlite-vec', () => openSqliteVec()],
  ['sqlite-vec without memory', () => openSqliteVec(0)],
  ['memory', openMemory],
  ['usearch', openGraph],
])('%s', (_, open) => {
  it('[LIB2] finds the nearest of many, in the order of their cosines', () => {
    const random = createRandom(1);
    const centres = Array.from({ length: 150 }, () => unit(random));
    const near = (centre: Float32Array): Float32Array =>
      normal(unit(random).map((value, d) => 0.5 * value + (centre[d] as number)));
    const vectors = Array.from({ length: 3_000 }, (_, i) => near(centres[i % 150] as Float32Array));
    const index = open();
    for (const [id, vector] of vectors.entries()) index.add(id + 1, vector);
    let found = 0;
    for (let q = 0; q < 20; q++) {
      const asked = near(centres[q] as Float32Array);
      const exact = vectors
        .map((vector, id) => ({ id: id + 1, score: dot(asked, vector) }))
        .sort((a, b) => b.score - a.score)
        .slice(0, 10);
      const got = index.search(asked, 10);
      expect(got[0]?.id).toBe(exact[0]?.id);
      expect(got[0]?.score).toBeCloseTo(exact[0]?.score ?? 0, 2);
      expect(got.map(({ score }) => score)).toEqual(
        got.map(({ score }) => score).toSorted((a, b) => b - a),
      );
      found += got.filter(({ id }) => exact.some((each) => each.id === id)).length;
    }
    expect(found).toBeGreaterThanOrEqual(195);
  });

  it('[LIB2] finds none that was removed, and of some alone none of the others', () => {
    const random = createRandom(2);
    const index = open();
    const vectors = Array.from({ length: 300 }, () => unit(random));
    for (const [id, vector] of vectors.entries()) index.add(id, vector);
    for (let id = 0; id < 300; id += 2) index.remove(id);
    index.remove(9_999);
    expect(index.size()).toBe(150);
    for (let id = 1; id < 300; id += 2)
      expect(index.search(vectors[id] as Float32Array, 1)).toMatchObject([{ id }]);
    const allowed = new Set([1, 3, 4, 5]);
    const among = index.search(vectors[7] as Float32Array, 10, allowed).map(({ id }) => id);
    expect(among.sort()).toEqual([1, 3, 5]);
    expect(index.search(vectors[7] as Float32Array, 10, new Set())).toEqual([]);
  });
});

it('[LIB32] are found the same, whether their bits are in memory or in the file', () => {
  const random = createRandom(4);
  const vectors = Array.from({ length: 300 }, () => unit(random));
  const asked = Array.from({ length: 9 }, () => unit(random));
  const found = [openSqliteVec(), openSqliteVec(0), openMemory()].map((index) => {
    for (const [id, vector] of vectors.entries()) index.add(id, vector);
    // While it is searched already.
    const before = index.search(asked[0] as Float32Array, 3);
    index.remove(before[0]?.id as number);
    index.add(1_000, vectors[before[0]?.id as number] as Float32Array);
    return asked.map((query) => index.search(query, 3));
  });
  expect(found[0]).toEqual(found[1]);
  expect(found[0]).toEqual(found[2]);
  expect(found[0]?.[0]?.[0]?.id).toBe(1_000);
});

describe('half precision', () => {
  it('[LIB2] is IEEE 754’s, and rounds to the nearest', () => {
    const values = [0, 1, -1, 0.5, 65_504, 2 ** -14, 2 ** -24, 0.1, -0.333, 2 ** -26];
    const bits = [0, 0x3c00, 0xbc00, 0x3800, 0x7bff, 0x0400, 0x0001, 0x2e66, 0xb554, 0];
    expect([...toFloat16(Float32Array.from(values))]).toEqual(bits);
    const every = Uint16Array.from({ length: 0x7c00 }, (_, i) => i);
    expect(toFloat16(fromFloat16(every))).toEqual(every);
  });
});
