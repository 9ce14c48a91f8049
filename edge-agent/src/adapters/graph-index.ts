// A graph over the vectors of a large collection (HNSW: Malkov, Yashunin, arXiv 1603.09320), by usearch: some thousands of
// vectors are looked at where a scan looks at all. It is a file beside the collection's and never the truth: the bits beside
// it are of the same vectors, and are scanned while it is built, a little between two calls, or has been left behind.

import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { messageOf } from '@skerry/shared';
import { type BitTable, bitTableBytes, createBitTable } from '../retrieve/bit-table.ts';
import { fromFloat16 } from '../retrieve/float16.ts';
import type { Ranked } from '../retrieve/fuse-ranks.ts';
import {
  bestFirst,
  candidatesFor,
  signBits,
  signBitsOf,
  type VectorIndex,
} from '../retrieve/vector-index.ts';

/** What is used of usearch's module. */
export interface Usearch {
  readonly Index: new (options: UsearchOptions) => UsearchIndex;
}
interface UsearchOptions {
  readonly metric: 'cos';
  readonly quantization: 'f16';
  readonly dimensions: number;
  readonly connectivity: number;
  readonly expansion_add: number;
  readonly expansion_search: number;
  readonly multi: false;
}
interface UsearchIndex {
  add(keys: BigUint64Array, vectors: Float32Array, threads: number): void;
  search(query: Float32Array, count: number, threads: number): { readonly keys: BigUint64Array };
  contains(key: bigint): unknown;
  size(): number;
  save(path: string): void;
  view(path: string): void;
}

/** Undefined where it is not installed, or not for this machine. */
export function loadUsearch(): Usearch | undefined {
  try {
    return createRequire(import.meta.url)('usearch') as Usearch;
  } catch {
    return undefined;
  }
}

/** The collection that it is a graph of. */
export interface GraphSource {
  /** The graph's files are named after it. */
  readonly path: string;
  readonly dimensions: number;
  revision(): number;
  /** Of the documents that are found, in the order of their ids. */
  vectorsAfter(id: number, count: number): readonly { id: number; halves: Uint16Array }[];
  scoreOf(query: Float32Array, id: number): Ranked;
}

/** Vectors that are added at once: some ten milliseconds, for which a call waits. */
const stepVectors = 16;
/** Of the graph: as many may be new before it is built again. */
const freshShare = 1 / 8;
const freshMin = 1_000;

const graphMark = '-graph-';
const pieceBytes = 1 << 20;

/** The files of a collection's graphs: each named by the state that it is of, and by its digest. */
function graphsOf(path: string): readonly string[] {
  const folder = dirname(path);
  const start = `${basename(path)}${graphMark}`;
  const isGraph = (name: string): boolean =>
    name.startsWith(start) && /^(part|\d+-[0-9a-f]{64})$/.test(name.slice(start.length));
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter(isGraph)
    .map((name) => join(folder, name));
}

export function removeGraphs(path: string, keep?: string): void {
  for (const file of graphsOf(path)) if (file !== keep) rmSync(file, { force: true });
}

interface Building {
  readonly index: UsearchIndex;
  lastId: number;
}

export function createGraphIndex(
  usearch: Usearch,
  base: VectorIndex,
  source: GraphSource,
): VectorIndex {
  const { path, dimensions } = source;
  const newIndex = (): UsearchIndex =>
    new usearch.Index({
      metric: 'cos',
      quantization: 'f16',
      dimensions,
      connectivity: 16,
      expansion_add: 128,
      expansion_search: 128,
      multi: false,
    });
  const nameNow = (): string => `${path}${graphMark}${source.revision()}-`;
  const there = graphsOf(path).find((file) => file.startsWith(nameNow()) && isWhole(file));
  let graph = there === undefined ? undefined : openGraph(newIndex(), there, base.size);
  removeGraphs(path, graph && there);
  let fresh: BitTable = createBitTable(dimensions);
  let building: Building | undefined;
  /** Until the collection is opened again. */
  let failed: string | undefined;

  const leave = (): void => {
    graph = undefined;
    fresh = createBitTable(dimensions);
    // It holds what was removed.
    removeGraphs(path);
  };

  const addTo = ({ index }: Building, rows: ReturnType<GraphSource['vectorsAfter']>): void => {
    const vectors = new Float32Array(rows.length * dimensions);
    for (const [i, { halves }] of rows.entries()) vectors.set(fromFloat16(halves), i * dimensions);
    index.add(
      BigUint64Array.from(rows, ({ id }) => BigInt(id)),
      vectors,
      1,
    );
  };

  const finish = ({ index }: Building): void => {
    const part = `${path}${graphMark}part`;
    index.save(part);
    const file = `${nameNow()}${digestOf(part)}`;
    renameSync(part, file);
    graph = newIndex();
    graph.view(file);
    removeGraphs(path, file);
    fresh = createBitTable(dimensions);
    building = undefined;
  };

  return {
    engine: 'usearch',
    get size() {
      return base.size;
    },
    get memoryBytes() {
      const vectorBytes = 2 * dimensions;
      // A graph that is built lies in a file that is mapped.
      const built = (building?.index.size() ?? 0) * vectorBytes;
      return base.memoryBytes + bitTableBytes(dimensions, fresh.size) + built;
    },
    get state() {
      if (failed !== undefined) return `no graph, bits are scanned: ${failed}`;
      if (graph !== undefined) return `a graph of ${graph.size()}, ${fresh.size} beside it`;
      const built = building?.index.size() ?? 0;
      return `its graph has ${built} of ${base.size}; until then bits are scanned`;
    },
    add(id, halves) {
      base.add(id, halves);
      if (graph !== undefined) fresh.add(id, signBitsOf(halves));
      // One that was restored is behind where the building is.
      if (building !== undefined && id <= building.lastId) addTo(building, [{ id, halves }]);
    },
    remove(id) {
      base.remove(id);
      if (building !== undefined && id <= building.lastId) building = undefined;
      if (graph !== undefined && fresh.remove(id) === undefined && graph.contains(BigInt(id)))
        leave();
    },
    search(query, count, allowed) {
      if (graph === undefined || allowed !== undefined) return base.search(query, count, allowed);
      const wanted = candidatesFor(count);
      const { keys } = graph.search(query, Math.min(wanted, graph.size()), 1);
      const ids = new Set(Array.from(keys, Number));
      for (const { id } of fresh.nearest(signBits(query), wanted)) ids.add(id);
      return bestFirst(
        [...ids].map((id) => source.scoreOf(query, id)),
        count,
      );
    },
    work() {
      if (failed !== undefined) return false;
      const isBehind = fresh.size > Math.max(freshMin, (graph?.size() ?? 0) * freshShare);
      if ((graph !== undefined && !isBehind) || base.size === 0) return false;
      building ??= { index: newIndex(), lastId: 0 };
      try {
        const rows = source.vectorsAfter(building.lastId, stepVectors);
        if (rows.length > 0) addTo(building, rows);
        building.lastId = rows.at(-1)?.id ?? building.lastId;
        if (rows.length < stepVectors) finish(building);
      } catch (thrown) {
        // No room for its file, or for itself: it is not tried with every call.
        building = undefined;
        failed = messageOf(thrown);
      }
      return building !== undefined;
    },
  };
}

/** usearch reads a file in the place where it lies, and what is none of its own ends the process. */
const isWhole = (file: string): boolean => file.endsWith(`-${digestOf(file)}`);

function openGraph(index: UsearchIndex, file: string, size: number): UsearchIndex | undefined {
  try {
    index.view(file);
    return index.size() === size && size > 0 ? index : undefined;
  } catch {
    return undefined;
  }
}

/** In hexadecimal; read piece by piece, since a graph is as large as its vectors. */
function digestOf(file: string): string {
  const hash = createHash('sha256');
  const piece = Buffer.alloc(pieceBytes);
  const descriptor = openSync(file, 'r');
  try {
    for (let read = readSync(descriptor, piece); read > 0; read = readSync(descriptor, piece))
      hash.update(piece.subarray(0, read));
  } finally {
    closeSync(descriptor);
  }
  return hash.digest('hex');
}
