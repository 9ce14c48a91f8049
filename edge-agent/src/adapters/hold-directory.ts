// One agent to one data directory: two would each count what the other writes. The lock is SQLite's, on a file of its
// own, so that the system gives it back when a process dies, and the database itself stays readable for others.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { err, failure, messageOf, ok, type Result } from '@skerry/shared';
import Database from 'better-sqlite3';

/** An agent that is ending may still hold it. */
const lockTimeoutMs = 2_000;

/** Returns how to let go of it. Fails with `storage_failed` where another process has it. */
export function holdDirectory(directory: string): Result<() => void> {
  try {
    mkdirSync(directory, { recursive: true });
    const lock = new Database(join(directory, 'agent.lock'), { timeout: lockTimeoutMs });
    lock.exec('BEGIN EXCLUSIVE');
    return ok(() => void lock.close());
  } catch (thrown) {
    const held = thrown instanceof Database.SqliteError && thrown.code === 'SQLITE_BUSY';
    const reason = held ? 'another agent uses this directory' : messageOf(thrown);
    return err(failure('storage_failed', `${directory}: ${reason}`));
  }
}
