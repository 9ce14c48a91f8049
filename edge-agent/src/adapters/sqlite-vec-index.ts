// The bits of a collection as a table of sqlite-vec, in the collection's own file and transaction; the halves, by which
// the best are told apart, are the collection's table `vector`. Nothing of it has to be in memory.

import { defined } from '@skerry/shared';
import type Database from 'better-sqlite3';
import { dotFloat16 } from '../retrieve/float16.ts';
import type { Ranked } from '../retrieve/fuse-ranks.ts';
import { candidatesFor, signBits, type VectorIndex } from '../retrieve/vector-index.ts';

/** Each chunk's room is taken whole: small ones fit small collections, and are given back sooner. */
const chunkRows = 256;
/** sqlite-vec's own bound. */
const neighboursMax = 4_096;

/** For whoever changes the collection without it: bits that are left behind would be another state's. */
export const dropSqliteVecIndex = (database: Database.Database): void =>
  void database.exec('DROP TABLE IF EXISTS bits');

/** Empty where its table is not there yet. */
export function createSqliteVecIndex(database: Database.Database, dimensions: number): VectorIndex {
  database.exec(
    `CREATE VIRTUAL TABLE IF NOT EXISTS bits USING vec0(bits bit[${dimensions}], chunk_size=${chunkRows})`,
  );
  const insert = database.prepare('INSERT INTO bits (rowid, bits) VALUES (?, vec_bit(?))');
  const remove = database.prepare('DELETE FROM bits WHERE rowid = ?');
  const count = database.prepare('SELECT count(*) FROM bits').pluck();
  const nearest = database
    .prepare('SELECT rowid FROM bits WHERE bits MATCH vec_bit(?) AND k = ?')
    .pluck();
  const nearestOf = database
    .prepare(
      'SELECT rowid FROM bits WHERE bits MATCH vec_bit(?) AND k = ? AND rowid IN (SELECT value FROM json_each(?))',
    )
    .pluck();
  const halvesBy = database
    .prepare<[number], Buffer>('SELECT halves FROM vector WHERE passage = ?')
    .pluck();

  const scoreOf = (query: Float32Array, id: number): Ranked => {
    const bytes = defined(halvesBy.get(id) as Buffer | undefined, `the vector of passage ${id}`);
    const aligned = bytes.byteOffset % 2 === 0 ? bytes : Buffer.from(bytes);
    const halves = new Uint16Array(aligned.buffer, aligned.byteOffset, dimensions);
    return { id, score: dotFloat16(query, halves, 0) };
  };

  return {
    engine: 'sqlite-vec',
    get size() {
      return count.get() as number;
    },
    add: (id, vector) => void insert.run(BigInt(id), signBits(vector)),
    remove: (id) => void remove.run(BigInt(id)),
    search(query, wanted, allowed) {
      const bits = signBits(query);
      const k = Math.min(neighboursMax, candidatesFor(wanted));
      const ids = (
        allowed === undefined
          ? nearest.all(bits, k)
          : nearestOf.all(bits, k, JSON.stringify([...allowed]))
      ) as number[];
      return ids
        .map((id) => scoreOf(query, id))
        .sort((a, b) => b.score - a.score || a.id - b.id)
        .slice(0, wanted);
    },
  };
}
