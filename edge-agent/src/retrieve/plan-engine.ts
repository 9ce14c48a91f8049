// Which engine a collection's vectors are searched by: told from how many there are, the memory that they may take, and
// what this device can load.

import { bitTableBytes } from './bit-table.ts';
import type { EngineName } from './vector-index.ts';

export interface EnginePlan {
  readonly engine: EngineName;
  readonly reason: string;
}

export interface EngineNeeds {
  /** `auto`: the plan's choice. */
  readonly wanted: EngineName | 'auto';
  readonly vectors: number;
  readonly dimensions: number;
  /** Of this collection's vectors. */
  readonly memoryBytesMax: number;
  /** A graph can be built and read here. */
  readonly hasGraphs: boolean;
}

/**
 * About where both take as long: of 100 000 × 384 a scan of bits takes 2.2 ms and a graph 2.7, and a scan takes .5 to .8 ms more
 * for each further 100 000 (`npm run bench -- --only vectors`). A graph of them takes minutes to build.
 */
const graphVectorsMin = 200_000;

export function planEngine(needs: EngineNeeds): EnginePlan {
  const { wanted, vectors, hasGraphs } = needs;
  if (wanted === 'usearch' && !hasGraphs)
    return { engine: 'sqlite-vec', reason: 'usearch cannot be loaded here' };
  if (wanted !== 'auto') return { engine: wanted, reason: 'as configured' };
  if (vectors >= graphVectorsMin && hasGraphs)
    return { engine: 'usearch', reason: `${vectors} vectors: a graph finds them without a scan` };
  const bytes = memoryBytes(needs);
  const size = `${vectors} vectors take ${mebibytes(bytes)} MiB of memory`;
  const most = `${mebibytes(needs.memoryBytesMax)} MiB`;
  return bytes <= needs.memoryBytesMax
    ? { engine: 'memory', reason: `${size}, of ${most} that they may` }
    : { engine: 'sqlite-vec', reason: `${size}, more than the ${most} that they may` };
}

/** Bits and halves. */
const memoryBytes = ({ vectors, dimensions }: EngineNeeds): number =>
  bitTableBytes(dimensions, vectors) + vectors * dimensions * Uint16Array.BYTES_PER_ELEMENT;

const mebibytes = (bytes: number): number => Math.ceil(bytes / 2 ** 20);
