// The process in which queries of somebody else's SQLite file run, one after the other. A process, and no thread: SQLite
// cannot be interrupted from outside, and what takes too long must be ended all the same.

import { err, failure, messageOf, ok, type Result } from '@skerry/shared';
import Database from 'better-sqlite3';

export interface RowsWork {
  readonly file: string;
  readonly sql: string;
  readonly parameters: readonly (string | number | null)[];
}

export type RowsReply = Result<readonly Readonly<Record<string, unknown>>[]>;

/** For others who write it. */
const lockWaitMs = 1_000;

process.on('message', (work: RowsWork) => process.send?.(read(work)));
process.on('disconnect', () => process.exit());

function read({ file, sql, parameters }: RowsWork): RowsReply {
  let database: Database.Database | undefined;
  try {
    database = new Database(file, { readonly: true, fileMustExist: true, timeout: lockWaitMs });
    const statement = database.prepare<unknown[], Readonly<Record<string, unknown>>>(sql);
    if (!statement.reader || !statement.readonly)
      return err(failure('invalid_config', 'the query writes'));
    return ok(statement.all(...parameters));
  } catch (thrown) {
    return err(failure('unavailable', messageOf(thrown)));
  } finally {
    database?.close();
  }
}
