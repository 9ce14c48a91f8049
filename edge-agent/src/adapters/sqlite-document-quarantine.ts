// What was refused of documents, for a person to look at: frames from the hub, and at a relay frames of neighbours.

import {
  type Quarantined,
  quarantinedBytesMax,
  quarantinedEntriesMax,
} from '@skerry/sync-protocol/documents';
import type { SqliteDatabase } from './sqlite-database.ts';

/** To be called inside a transaction. The oldest goes when there is too much. [DOC14] */
export function createDocumentQuarantine(database: SqliteDatabase): (entry: Quarantined) => void {
  const insert = database.prepare<[string, string, string, Uint8Array, number]>(
    'INSERT INTO document_quarantine (document, source, reason, bytes, at_ms) VALUES (?, ?, ?, ?, ?)',
  );
  const bound = database.prepare<[number]>(
    'DELETE FROM document_quarantine WHERE id <= (SELECT max(id) FROM document_quarantine) - ?',
  );
  return ({ document, source, reason, bytes, atMs }) => {
    insert.run(document, source, reason, bytes.slice(0, quarantinedBytesMax), atMs);
    bound.run(quarantinedEntriesMax);
  };
}
