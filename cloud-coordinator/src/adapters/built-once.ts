// Queries on the way of every Exchange: Kysely builds such a one anew each time, which costs more than running it.

import { assert } from '@skerry/shared';
import type { Compilable, CompiledQuery, Kysely } from 'kysely';
import type { Schema } from './schema.ts';

/** The query, built once for each dialect. Its values must stand in it in the order of its arguments, each once. */
export function builtOnce<V extends readonly unknown[], R>(
  build: (db: Kysely<Schema>, ...values: V) => Compilable<R>,
): (db: Kysely<Schema>, ...values: V) => Promise<readonly R[]> {
  const built = new WeakMap<object, CompiledQuery<R>>();
  return async (db, ...values) => {
    const { adapter } = db.getExecutor();
    const query = built.get(adapter) ?? build(db, ...values).compile();
    if (!built.has(adapter)) {
      const inOrder = query.parameters.every((value, i) => value === values[i]);
      assert(inOrder && query.parameters.length === values.length, 'the values stand in order');
      built.set(adapter, query);
    }
    const { rows } = await db.executeQuery<R>({ ...query, parameters: values });
    return rows;
  };
}
