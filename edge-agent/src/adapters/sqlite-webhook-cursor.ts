// Where the webhook stands, in the device's database.

import type { WebhookCursor } from '../infer/webhook.ts';
import type { SqliteDatabase } from './sqlite-database.ts';

export function createSqliteWebhookCursor(database: SqliteDatabase): WebhookCursor {
  const load = database.prepare<[], number>('SELECT settled FROM webhook').pluck();
  const clear = database.prepare('DELETE FROM webhook');
  const save = database.prepare<[number]>('INSERT INTO webhook (settled) VALUES (?)');
  return {
    load: () => load.get(),
    save: database.transaction((settled: number) => {
      clear.run();
      save.run(settled);
    }),
  };
}
