// One engine over many vectors: how fast they go in, how fast the ten nearest are found, how many of them are the right
// ten, and what it weighs. Vectors are synthetic and clustered, as texts are: every engine is given the same. Ours are
// asked as an app asks, through the library's own search, by a reader without principals.

import { rmSync, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { createDirectCollections, createLibrary } from '@skerry/edge-agent/retrieve';
import { createRandom, ok, silentLog } from '@skerry/shared';
import { sha256, systemClock } from '@skerry/shared/node';
import { unwrap } from '@skerry/shared/testing';
import Database from 'better-sqlite3';
import * as sqliteVec from 'sqlite-vec';
import { type Latencies, latenciesOf } from '../statistics.ts';

export const vectorEngines = [
  'sqlite-vec bits',
  'memory bits',
  'graph over bits',
  'plain sqlite-vec',
  'usearch HNSW',
] as const;
export type EngineName = (typeof vectorEngines)[number];

export interface VectorEngineOptions {
  readonly engine: EngineName;
  readonly vectors: number;
  readonly dimensions: number;
  readonly queries: number;
  /** Where its file goes; its name ends as a collection's. */
  readonly file: string;
}

export interface VectorEngineFigures {
  readonly insertsPerSecond: number;
  readonly dense: Latencies;
  /** Words and vectors together; where the engine has both. */
  readonly hybrid?: Latencies;
  readonly recall: number;
  readonly fileMiB: number;
  readonly residentMiB: number;
}

interface Engine {
  search(query: Float32Array, count: number): readonly number[] | Promise<readonly number[]>;
  hybrid?(query: Float32Array, words: string, count: number): Promise<unknown>;
  close(): unknown;
}

const clusters = 2_000;
const latentDimensions = 48;
const nearest = 10;
const batch = 500;
const vocabulary = 20_000;
const wordsOfPassage = 30;

export async function vectorEngine(options: VectorEngineOptions): Promise<VectorEngineFigures> {
  const { dimensions, queries, file } = options;
  const draw = createDraw(dimensions);
  const vectors = new Float32Array(options.vectors * dimensions);
  for (let i = 0; i < options.vectors; i++) vectors.set(draw(), i * dimensions);
  const asked = Array.from({ length: queries }, draw);
  for (const end of ['', '-wal', '-shm']) rmSync(`${file}${end}`, { force: true });
  const residentBefore = process.memoryUsage().rss;
  const startedMs = performance.now();
  const engine = await build(options, vectors);
  const insertsPerSecond = (options.vectors / (performance.now() - startedMs)) * 1_000;
  for (const query of asked.slice(0, 10)) await engine.search(query, nearest);
  let right = 0;
  const dense: number[] = [];
  for (const query of asked) {
    const begunMs = performance.now();
    const found = await engine.search(query, nearest);
    dense.push(performance.now() - begunMs);
    const exact = exactly(vectors, query);
    right += found.filter((id) => exact.has(id)).length;
  }
  const random = createRandom(3);
  const hybrid: number[] = [];
  for (const query of engine.hybrid === undefined ? [] : asked) {
    const words = Array.from({ length: 5 }, () => wordOf(random.next())).join(' ');
    const begunMs = performance.now();
    await engine.hybrid?.(query, words, nearest);
    hybrid.push(performance.now() - begunMs);
  }
  const residentMiB = (process.memoryUsage().rss - residentBefore) / 2 ** 20;
  await engine.close();
  return {
    insertsPerSecond,
    dense: latenciesOf(dense),
    ...(hybrid.length === 0 ? {} : { hybrid: latenciesOf(hybrid) }),
    recall: right / (queries * nearest),
    fileMiB: sizeOf(file) / 2 ** 20,
    residentMiB,
  };
}

/** Of unit length, around a cluster's centre. */
function createDraw(dimensions: number): () => Float32Array {
  const random = createRandom(1);
  const gaussians = (length: number) => Float32Array.from({ length }, () => random.gaussian());
  const projection = gaussians(latentDimensions * dimensions);
  const centres = gaussians(clusters * latentDimensions);
  return () => {
    const cluster = Math.floor(random.next() * clusters) * latentDimensions;
    const vector = new Float32Array(dimensions);
    for (let l = 0; l < latentDimensions; l++) {
      const value = (centres[cluster + l] as number) + 0.6 * random.gaussian();
      for (let d = 0; d < dimensions; d++)
        vector[d] = (vector[d] as number) + value * (projection[l * dimensions + d] as number);
    }
    const length = Math.hypot(...vector);
    return vector.map((value) => value / length);
  };
}

function exactly(vectors: Float32Array, query: Float32Array): ReadonlySet<number> {
  const dimensions = query.length;
  const scores = Float32Array.from({ length: vectors.length / dimensions }, (_, i) => {
    let sum = 0;
    for (let d = 0; d < dimensions; d++)
      sum += (query[d] as number) * (vectors[i * dimensions + d] as number);
    return sum;
  });
  const least = scores.toSorted().at(-nearest) as number;
  return new Set([...scores.keys()].filter((i) => (scores[i] as number) >= least));
}

/** Zipf's, roughly: few words are in most passages. */
const wordOf = (uniform: number): string => `w${Math.floor(vocabulary ** uniform)}`;

async function build(options: VectorEngineOptions, vectors: Float32Array): Promise<Engine> {
  switch (options.engine) {
    case 'sqlite-vec bits':
      return buildCollection(options, vectors, 'sqlite-vec');
    case 'memory bits':
      return buildCollection(options, vectors, 'memory');
    case 'graph over bits':
      return buildCollection(options, vectors, 'usearch');
    case 'plain sqlite-vec':
      return buildPlain(options, vectors);
    case 'usearch HNSW':
      return buildUsearch(options, vectors);
  }
}

/** The product's own library, with words: ids rise from 1. */
async function buildCollection(
  { dimensions, file }: VectorEngineOptions,
  vectors: Float32Array,
  engine: 'sqlite-vec' | 'memory' | 'usearch',
): Promise<Engine> {
  let question = new Float32Array(dimensions);
  const embedder = {
    digest: 'sha256:bench',
    dimensions,
    tokensMax: 256,
    countTokens: (text: string) => text.length,
    embed: async () => ok(question),
  };
  const collections = createDirectCollections({ folder: dirname(file), embedder, engine });
  const library = createLibrary({
    collections,
    embedder,
    digestOf: sha256,
    clock: systemClock,
    log: silentLog,
  });
  const name = basename(file, '.collection');
  const collection = unwrap(await collections.openOrCreate(name));
  const random = createRandom(2);
  const count = vectors.length / dimensions;
  for (let at = 0; at < count; at += batch) {
    const texts = Array.from({ length: Math.min(batch, count - at) }, () =>
      Array.from({ length: wordsOfPassage }, () => wordOf(random.next())).join(' '),
    );
    let start = 0;
    const passages = texts.map((text, i) => {
      const span = { start, end: start + text.length, heading: '' };
      start += text.length;
      const vector = vectors.subarray((at + i) * dimensions, (at + i + 1) * dimensions);
      return { ...span, textDigest: `${at + i}`, vector };
    });
    const source = { uri: `${at}`, title: '', text: texts.join(''), digest: `${at}`, trust: 1 };
    unwrap(await collection.put({ source, passages }, 0));
  }
  // A graph is built between calls.
  while (collections.work());
  const found = async (
    query: Float32Array,
    text: string,
    k: number,
    mode: 'vectors' | 'hybrid',
  ): Promise<readonly number[]> => {
    question = new Float32Array(query);
    const asked = { collections: [name], text, count: k, mode, reader: { principals: [] } };
    return unwrap(await library.search(asked)).found.map(({ passage }) => passage.id - 1);
  };
  return {
    search: (query, k) => found(query, 'anything', k, 'vectors'),
    hybrid: (query, words, k) => found(query, words, k, 'hybrid'),
    close: () => collections.close(),
  };
}

function buildPlain({ dimensions, file }: VectorEngineOptions, vectors: Float32Array): Engine {
  const database = new Database(file);
  database.pragma('journal_mode = WAL');
  sqliteVec.load(database);
  database.exec(
    `CREATE VIRTUAL TABLE vectors USING vec0(v float[${dimensions}] distance_metric=cosine)`,
  );
  const insert = database.prepare('INSERT INTO vectors (rowid, v) VALUES (?, ?)');
  const count = vectors.length / dimensions;
  for (let at = 0; at < count; at += batch)
    database.transaction(() => {
      for (let i = at; i < Math.min(at + batch, count); i++)
        insert.run(BigInt(i + 1), vectors.subarray(i * dimensions, (i + 1) * dimensions));
    })();
  const search = database.prepare('SELECT rowid FROM vectors WHERE v MATCH ? AND k = ?').pluck();
  return {
    search: (query, k) => (search.all(query, k) as number[]).map((id) => Number(id) - 1),
    close: () => database.close(),
  };
}

async function buildUsearch(
  { dimensions, file }: VectorEngineOptions,
  vectors: Float32Array,
): Promise<Engine> {
  const usearch = await import('usearch');
  const index = new usearch.Index({
    metric: usearch.MetricKind.Cos,
    connectivity: 16,
    dimensions,
    quantization: usearch.ScalarKind.F16,
    expansion_add: 128,
    expansion_search: 64,
    multi: false,
  });
  const count = vectors.length / dimensions;
  for (let at = 0; at < count; at += batch) {
    const ids = BigUint64Array.from({ length: Math.min(batch, count - at) }, (_, i) =>
      BigInt(at + i),
    );
    index.add(ids, vectors.subarray(at * dimensions, (at + ids.length) * dimensions), 1);
  }
  index.save(file);
  return {
    search: (query, k) => Array.from(index.search(query, k, 1).keys, Number),
    close() {},
  };
}

const sizeOf = (file: string): number =>
  ['', '-wal'].reduce((sum, end) => {
    try {
      return sum + statSync(`${file}${end}`).size;
    } catch {
      return sum;
    }
  }, 0);
