// The process in which queries of somebody else's SQLite file run, one after the other. A process, and no thread: SQLite
// cannot be interrupted from outside, and what takes too long must be ended all the same.

import { err, failure, messageOf, ok, type Result } from '@skerry/shared';
import Database from 'better-sqlite3';

export interface RowsWork {
  readonly file: string;
  readonly sql: string;
  readonly parameters: readonly (string | number | null)[];
}

/** A whole number is a bigint: above 2^53 a number would be another. */
type Columns = Readonly<Record<string, unknown>>;

export type RowsReply = Result<readonly Columns[]>;

/** Rows beyond come with the next call: a table of large texts is not in memory at once, here or at who asks. */
const batchBytesMax = 16 * 2 ** 20;

/** For others who write it. */
const lockWaitMs = 1_000;

process.on('message', (work: RowsWork) => process.send?.(read(work)));
process.on('disconnect', () => process.exit());

function read({ file, sql, parameters }: RowsWork): RowsReply {
  let database: Database.Database | undefined;
  try {
    database = new Database(file, { readonly: true, fileMustExist: true, timeout: lockWaitMs });
    const statement = database.prepare<unknown[], Columns>(sql).safeIntegers(true);
    if (!statement.reader || !statement.readonly)
      return err(failure('invalid_config', 'the query writes'));
    const rows: Columns[] = [];
    let bytes = 0;
    for (const row of statement.iterate(...parameters)) {
      rows.push(row);
      bytes += bytesOf(row);
      if (bytes >= batchBytesMax) break;
    }
    return ok(rows);
  } catch (thrown) {
    return err(failure('unavailable', messageOf(thrown)));
  } finally {
    database?.close();
  }
}

/** About. */
function bytesOf(row: Columns): number {
  let bytes = 0;
  for (const value of Object.values(row))
    if (typeof value === 'string' || value instanceof Uint8Array) bytes += value.length;
  return bytes;
}
