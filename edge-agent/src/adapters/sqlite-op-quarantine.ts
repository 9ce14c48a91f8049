// Ops that this device will never apply, or can send no more, kept for an operator. [QUA1, QUA5]

import type { SqliteDatabase } from './sqlite-database.ts';

/** The oldest go first. */
const quarantineOpsMax = 100;

export interface RefusedOp {
  /** Of a down op. */
  readonly position?: number;
  readonly kind: string;
  readonly reason: string;
  readonly body: Uint8Array;
}

/** To be called inside a transaction. */
export function createOpQuarantine(database: SqliteDatabase): (op: RefusedOp) => void {
  const insert = database.prepare<[number | null, string, string, Uint8Array]>(
    'INSERT INTO quarantine (position, kind, reason, body) VALUES (?, ?, ?, ?)',
  );
  const trim = database.prepare<[number]>(
    'DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - ?',
  );
  const count = database.prepare('UPDATE identity SET quarantined = quarantined + 1');
  return ({ position, kind, reason, body }) => {
    insert.run(position ?? null, kind, reason, body);
    trim.run(quarantineOpsMax);
    count.run();
  };
}
