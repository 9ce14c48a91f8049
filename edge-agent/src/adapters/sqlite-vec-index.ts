// The bits of a collection as a table of sqlite-vec, in the collection's own file and transaction; the halves, by which
// the best are told apart, are the collection's table `vector`. Where the bits are not too many they are searched in
// memory: sqlite-vec's own search takes time by the number of neighbours times that of vectors.

import { defined } from '@skerry/shared';
import type Database from 'better-sqlite3';
import { type BitTable, bitTableBytes, createBitTable } from '../retrieve/bit-table.ts';
import { dotFloat16 } from '../retrieve/float16.ts';
import type { Ranked } from '../retrieve/fuse-ranks.ts';
import {
  bestFirst,
  candidatesFor,
  signBits,
  signBitsOf,
  type VectorIndex,
} from '../retrieve/vector-index.ts';

/** Each chunk's room is taken whole: small ones fit small collections, and are given back sooner. */
const chunkRows = 256;
/** sqlite-vec's own bound. */
const neighboursMax = 4_096;
/** For whoever changes the collection without it: bits that are left behind would be another state's. */
export const dropSqliteVecIndex = (database: Database.Database): void =>
  void database.exec('DROP TABLE IF EXISTS bits');

/** Empty where its table is not there yet. */
export function createSqliteVecIndex(
  database: Database.Database,
  dimensions: number,
  memoryBytesMax: () => number,
): VectorIndex {
  database.exec(
    `CREATE VIRTUAL TABLE IF NOT EXISTS bits USING vec0(bits bit[${dimensions}], chunk_size=${chunkRows})`,
  );
  const statements = prepareStatements(database);
  let size = statements.count.get() as number;
  let table: BitTable | undefined;

  const tableNow = (): BitTable | undefined => {
    if (bitTableBytes(dimensions, size) > memoryBytesMax()) table = undefined;
    else table ??= readTable(statements, dimensions);
    return table;
  };

  const nearest = (query: Uint8Array, count: number, allowed?: ReadonlySet<number>) => {
    const inMemory = tableNow();
    if (inMemory !== undefined) return inMemory.nearest(query, count, allowed).map(({ id }) => id);
    const k = Math.min(neighboursMax, count);
    return allowed === undefined
      ? statements.nearest.all(query, k)
      : statements.nearestOf.all(query, k, JSON.stringify([...allowed]));
  };

  const scoreOf = createScoreOf(database, dimensions);

  return {
    engine: 'sqlite-vec',
    get size() {
      return size;
    },
    get memoryBytes() {
      return table === undefined ? 0 : bitTableBytes(dimensions, size);
    },
    add(id, halves) {
      const bits = signBitsOf(halves);
      statements.insert.run(BigInt(id), bits);
      table?.add(id, bits);
      size += 1;
    },
    remove(id) {
      size -= statements.remove.run(BigInt(id)).changes;
      table?.remove(id);
    },
    search(query, count, allowed) {
      const ids = nearest(signBits(query), candidatesFor(count), allowed);
      const scored = ids.map((id) => scoreOf(query, id));
      return bestFirst(scored, count);
    },
  };
}

/** By the halves in the collection's table. */
export function createScoreOf(database: Database.Database, dimensions: number) {
  const halvesBy = database
    .prepare<[number], Buffer>('SELECT halves FROM vector WHERE passage = ?')
    .pluck();
  return (query: Float32Array, id: number): Ranked => {
    const bytes = defined(halvesBy.get(id), `the vector of passage ${id}`);
    const aligned = bytes.byteOffset % 2 === 0 ? bytes : Buffer.from(bytes);
    const halves = new Uint16Array(aligned.buffer, aligned.byteOffset, dimensions);
    return { id, score: dotFloat16(query, halves, 0) };
  };
}

function prepareStatements(database: Database.Database) {
  const neighbours = 'SELECT rowid FROM bits WHERE bits MATCH vec_bit(?) AND k = ?';
  return {
    insert: database.prepare('INSERT INTO bits (rowid, bits) VALUES (?, vec_bit(?))'),
    remove: database.prepare('DELETE FROM bits WHERE rowid = ?'),
    count: database.prepare('SELECT count(*) FROM bits').pluck(),
    all: database.prepare<[], { id: number; bits: Buffer }>('SELECT rowid AS id, bits FROM bits'),
    nearest: database.prepare<[Uint8Array, number], number>(neighbours).pluck(),
    nearestOf: database
      .prepare<[Uint8Array, number, string], number>(
        `${neighbours} AND rowid IN (SELECT value FROM json_each(?))`,
      )
      .pluck(),
  };
}

function readTable({ all }: ReturnType<typeof prepareStatements>, dimensions: number): BitTable {
  const table = createBitTable(dimensions);
  for (const { id, bits } of all.iterate()) table.add(id, bits);
  return table;
}
