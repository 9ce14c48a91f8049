// The bundles that the device was configured with. Where one can no longer be read, an update may still hold a good one,
// in a slot: so a folder's model is remembered by its name.

import { type Bundle, readBundle } from '@skerry/models/node';
import { ok, type Result } from '@skerry/shared';
import { inTransaction, type SqliteDatabase } from './sqlite-database.ts';

export interface Factories {
  readonly bundles: readonly Bundle[];
  /** Models whose folder cannot be read, and which an update has had in hand. */
  readonly lost: readonly string[];
}

/** Fails as `readBundle` does, for a folder that was never read before or whose model is in no slot. */
export async function readFactories(
  folders: readonly string[],
  variant: string | undefined,
  database: SqliteDatabase,
): Promise<Result<Factories>> {
  const remember = database.prepare<[string, string]>(
    'INSERT OR REPLACE INTO update_factory (folder, model) VALUES (?, ?)',
  );
  const remembered = database
    .prepare<[string], string>(
      'SELECT model FROM update_factory JOIN update_model USING (model) WHERE folder = ?',
    )
    .pluck();
  const bundles: Bundle[] = [];
  const lost: string[] = [];
  for (const folder of folders) {
    const bundle = await readBundle(folder, ['edge'], variant);
    if (bundle.ok) {
      const { name } = bundle.value.manifest;
      const kept = inTransaction(database, () => ok(remember.run(folder, name)));
      if (!kept.ok) return kept;
      bundles.push(bundle.value);
      continue;
    }
    const model = remembered.get(folder);
    if (model === undefined) return bundle;
    lost.push(model);
  }
  return ok({ bundles, lost });
}
