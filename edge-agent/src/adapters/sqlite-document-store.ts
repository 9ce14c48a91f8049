// Documents in the device's one database: the log, and beside it the frames that have come and are not integrated yet,
// written in the very transaction that moves the cursor.

import { err, failure, ok, type Result } from '@skerry/shared';
import {
  type DocumentLog,
  type FollowerStore,
  inboxFramesMax,
  parseHeads,
} from '@skerry/sync-protocol/documents';
import { inTransaction, type SqliteDatabase } from './sqlite-database.ts';
import { createDocumentQuarantine } from './sqlite-document-quarantine.ts';

interface DocumentRow {
  readonly epoch: number;
  readonly version: number;
  readonly heads: string;
  readonly since_ms: number | null;
  readonly save: Uint8Array | null;
}

interface InboxRow {
  readonly position: number;
  readonly document: string;
  readonly frame: Uint8Array;
}

export type SqliteDocumentStore = DocumentLog & FollowerStore;

export function createSqliteDocumentStore(database: SqliteDatabase): SqliteDocumentStore {
  const sql = statements(database);
  const quarantine = createDocumentQuarantine(database);
  const at = (document: string) => sql.get.get(document);
  /** Runs `change` if `version` is still the version; a device has one writer, so it always is. */
  const change = async (
    document: string,
    version: number,
    action: () => void,
  ): Promise<Result<boolean>> =>
    inTransaction(database, () => {
      if ((at(document)?.version ?? 0) !== version) return ok(false);
      action();
      return ok(true);
    });

  return {
    load: async (document) =>
      inTransaction(database, () => {
        const row = at(document);
        const heads = row === undefined ? [] : parseHeads(row.heads);
        if (heads === undefined)
          return err(failure('storage_failed', `the heads of '${document}' cannot be read`));
        return ok({
          epoch: row?.epoch ?? 1,
          version: row?.version ?? 0,
          heads,
          sinceMs: row?.since_ms ?? undefined,
          save: row?.save ?? undefined,
          changes: sql.changes.all(document),
        });
      }),

    append: (document, version, changes, { heads, sinceMs }) =>
      change(document, version, () => {
        const epoch = at(document)?.epoch ?? 1;
        sql.put.run(document, epoch, version + 1, JSON.stringify(heads), sinceMs ?? null);
        for (const bytes of changes) sql.append.run(document, bytes);
      }),

    rewrite: (document, version, { epoch, heads, sinceMs, save }) =>
      change(document, version, () => {
        sql.put.run(document, epoch, version + 1, JSON.stringify(heads), sinceMs ?? null);
        sql.save.run(save, document);
        sql.dropChanges.run(document);
      }),

    quarantine: async (entry) => inTransaction(database, () => ok(quarantine(entry))),

    receive({ position, document, frame }) {
      sql.receive.run(position, document, frame);
      sql.boundInbox.run(inboxFramesMax);
    },
    received: () => sql.received.all(),
    forget(positions) {
      for (const position of positions) sql.forget.run(position);
    },
    hubHeads: (document) => parseHeads(sql.hubHeads.get(document) ?? '[]') ?? [],
    noteHubHeads(document, heads) {
      const text = JSON.stringify(heads);
      if (sql.hubHeads.get(document) !== text) sql.noteHubHeads.run(document, text);
    },
  };
}

function statements(database: SqliteDatabase) {
  return {
    get: database.prepare<[string], DocumentRow>(
      'SELECT epoch, version, heads, since_ms, save FROM document WHERE document = ?',
    ),
    put: database.prepare<[string, number, number, string, number | null]>(
      `INSERT INTO document (document, epoch, version, heads, since_ms) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (document) DO UPDATE SET epoch = excluded.epoch, version = excluded.version,
       heads = excluded.heads, since_ms = excluded.since_ms`,
    ),
    save: database.prepare<[Uint8Array, string]>('UPDATE document SET save = ? WHERE document = ?'),
    changes: database
      .prepare<[string], Uint8Array>(
        'SELECT bytes FROM document_change WHERE document = ? ORDER BY id',
      )
      .pluck(),
    append: database.prepare<[string, Uint8Array]>(
      'INSERT INTO document_change (document, bytes) VALUES (?, ?)',
    ),
    dropChanges: database.prepare<[string]>('DELETE FROM document_change WHERE document = ?'),
    receive: database.prepare<[number, string, Uint8Array]>(
      'INSERT INTO document_inbox (position, document, frame) VALUES (?, ?, ?)',
    ),
    boundInbox: database.prepare<[number]>(
      `DELETE FROM document_inbox WHERE position IN
       (SELECT position FROM document_inbox ORDER BY position DESC LIMIT -1 OFFSET ?)`,
    ),
    received: database.prepare<[], InboxRow>(
      'SELECT position, document, frame FROM document_inbox ORDER BY position',
    ),
    forget: database.prepare<[number]>('DELETE FROM document_inbox WHERE position = ?'),
    hubHeads: database
      .prepare<[string], string>('SELECT heads FROM document_hub WHERE document = ?')
      .pluck(),
    noteHubHeads: database.prepare<[string, string]>(
      `INSERT INTO document_hub (document, heads) VALUES (?, ?)
       ON CONFLICT (document) DO UPDATE SET heads = excluded.heads`,
    ),
  };
}
