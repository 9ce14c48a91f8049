// Rows of a PostgreSQL query, in a transaction that only reads. By `pg`, which is no dependency of the agent's: few devices
// stand beside a PostgreSQL, and those that do have it installed.

import { collect, err, failure, messageOf, ok, type Result } from '@skerry/shared';
import { type RowsPort, rowsStatement } from '../retrieve/sources/rows-source.ts';
import type { PostgresSource } from '../retrieve/sources/source-config.ts';
import { rowOf } from './sqlite-rows.ts';

/** As much of `pg` as is used. */
interface Client {
  connect(): Promise<unknown>;
  query(query: string | object): Promise<{ readonly rows: readonly Record<string, unknown>[] }>;
  end(): Promise<void>;
  on(event: 'error', listener: () => void): unknown;
}
interface Postgres {
  readonly default: { readonly Client: new (options: object) => Client };
}

const packageName: string = 'pg';
const connectMsMax = 5_000;
const queryMsMax = 30_000;
/** The server's own answer to its timeout comes first. */
const graceMs = 2_000;

export function createPostgresRows(source: PostgresSource): RowsPort {
  return {
    async read(after, count) {
      const client = await openClient(source.url);
      if (!client.ok) return client;
      const { sql, parameters } = rowsStatement(source, after, count, (n) => `$${n}`);
      try {
        await client.value.connect();
        await client.value.query('BEGIN READ ONLY');
        const { rows } = await client.value.query({
          text: sql,
          values: parameters,
          // One statement, also where it has no parameters: the simple protocol would run what stands behind it.
          queryMode: 'extended',
          // Each value as PostgreSQL writes it: a number or a time loses nothing on its way back.
          types: { getTypeParser: () => (text: unknown) => text },
        });
        return collect(rows.map((columns) => rowOf(columns, source)));
      } catch (thrown) {
        return err(failure('unavailable', messageOf(thrown)));
      } finally {
        await client.value.end().catch(() => undefined);
      }
    },
    close: async () => {},
  };
}

/** Fails with `invalid_config` where `pg` is not installed. */
async function openClient(url: string): Promise<Result<Client>> {
  try {
    const { default: pg } = (await import(packageName)) as Postgres;
    const client = new pg.Client({
      connectionString: url,
      application_name: 'skerry',
      connectionTimeoutMillis: connectMsMax,
      statement_timeout: queryMsMax,
      query_timeout: queryMsMax + graceMs,
    });
    client.on('error', () => {}); // A query that is under way tells of it.
    return ok(client);
  } catch (thrown) {
    return err(
      failure('invalid_config', `a PostgreSQL source needs npm install pg: ${messageOf(thrown)}`),
    );
  }
}
