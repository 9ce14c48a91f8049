// Rows of a query as documents, each under its key. With a cursor, a column that rises with each change, only what has
// changed is read, and rows that are gone are not missed; without one all are read, and those that are gone go. [LIB47]

import { type Clock, err, failure, type Log, ok, type Result } from '@skerry/shared';
import { keepLooking } from './keep-looking.ts';
import { type RunningSource, retryMs, type SourceState } from './running-source.ts';
import type { RowsSource } from './source-config.ts';
import type { SourceStore } from './source-store.ts';
import type { TakeIn } from './take-in.ts';

export type RowValue = string | number | null;

/** A row: its columns as they are said in the document. */
export interface Row {
  readonly key: RowValue;
  readonly cursor: RowValue;
  readonly columns: Readonly<Record<string, RowValue>>;
}

/** Behind it, in the order of cursor and key; `from`: with all rows of that cursor. */
export interface RowsPlace {
  readonly cursor?: RowValue;
  readonly key?: RowValue;
}

export interface RowsPort {
  /** Read-only, so many rows. Fails with `unavailable`, and `invalid_config` for a query that cannot be. */
  read(after: RowsPlace, count: number): Promise<Result<readonly Row[]>>;
  close(): Promise<void>;
}

const batchRows = 500;

export function startRows(
  config: RowsSource,
  ports: {
    readonly rows: RowsPort;
    readonly takeIn: TakeIn;
    readonly store: SourceStore;
    readonly digestOf: (bytes: Uint8Array) => string;
    readonly clock: Clock;
    readonly log: Log;
  },
): RunningSource {
  const { rows, takeIn, store, digestOf, clock, log } = ports;
  const { name, kind, collection, everyMs, rowsMax } = config;
  const isIncremental = config.cursor !== undefined;
  let state: Pick<SourceState, 'state' | 'reason' | 'lastMs'> = { state: 'starting' };
  let closed = false;

  const takeRow = async (row: Row): Promise<Result<string>> => {
    const key = String(row.key ?? '');
    const title = config.title === undefined ? undefined : String(row.columns[config.title] ?? '');
    const bytes = new TextEncoder().encode(textOf(row, config.text));
    const stamp = digestOf(bytes);
    if (key === '' || key.length > keyCharactersMax)
      return err(failure('invalid_config', `a key has 1 to ${keyCharactersMax} characters`));
    if (takeIn.has({ key, stamp })) return ok(key);
    const thing = { key, stamp, mediaType: 'text/plain', title: (title || key).slice(0, 200) };
    const taken = await takeIn.take(thing, bytes);
    return taken.ok ? ok(key) : taken;
  };

  /** The keys that are there; undefined where not all were seen. */
  const readAll = async (): Promise<Result<ReadonlySet<string> | undefined>> => {
    const keys = new Set<string>();
    let place: RowsPlace = isIncremental ? cursorPlace(store.cursor(name, takeIn.terms)) : {};
    for (let count = 0; count < rowsMax; ) {
      const batch = await rows.read(place, Math.min(batchRows, rowsMax - count));
      if (!batch.ok) return batch;
      for (const row of batch.value) {
        if (closed) return ok(undefined);
        const key = await takeRow(row);
        if (!key.ok) return key;
        keys.add(key.value);
      }
      const last = batch.value.at(-1);
      if (last === undefined) return ok(keys);
      if (isIncremental) {
        const kept = store.setCursor(name, takeIn.terms, last.cursor);
        if (!kept.ok) return kept;
      }
      const next = isIncremental ? { cursor: last.cursor, key: last.key } : { key: last.key };
      if (JSON.stringify(next) === JSON.stringify(place))
        return err(failure('invalid_config', 'its keys do not tell its rows apart'));
      place = next;
      count += batch.value.length;
    }
    state = { ...state, reason: `more than ${rowsMax} rows` };
    return ok(undefined);
  };

  const look = async (): Promise<number> => {
    state = { state: 'looking', ...(state.lastMs === undefined ? {} : { lastMs: state.lastMs }) };
    const keys = await readAll();
    if (!keys.ok) {
      state = { ...state, state: 'away', reason: keys.error.message };
      return Math.max(retryMs, Math.min(everyMs, 10 * retryMs));
    }
    if (!isIncremental && keys.value !== undefined) await dropOthers(keys.value);
    state = { ...state, state: 'waiting', lastMs: clock.nowMs() };
    return everyMs;
  };

  const dropOthers = async (keys: ReadonlySet<string>): Promise<void> => {
    const gone = store.entries(name).filter(({ key }) => !keys.has(key));
    // A table that is empty at once is being filled anew, or is another.
    if (keys.size === 0 && gone.length > 1) {
      state = { ...state, reason: 'all its rows are gone at once: nothing is taken out' };
      return;
    }
    for (const { key } of gone) {
      const dropped = await takeIn.drop(key);
      if (!dropped.ok) state = { ...state, reason: dropped.error.message };
    }
  };

  const looking = keepLooking(clock, look, (reason) => {
    state = { state: 'away', reason };
    log.error({ source: name, reason }, 'rows met a bug');
    return everyMs;
  });
  return {
    state: () => ({ name, kind, collection, ...state }),
    async close() {
      closed = true;
      await looking.close();
      await rows.close();
    },
  };
}

const keyCharactersMax = 400;

const cursorPlace = (cursor: RowValue | undefined): RowsPlace =>
  cursor === undefined ? {} : { cursor };

/** One column is its text; of several each line says which it is. */
function textOf({ columns }: Row, names: readonly string[]): string {
  const [only] = names;
  if (names.length === 1 && only !== undefined) return String(columns[only] ?? '');
  return names
    .flatMap((name) => {
      const value = columns[name] ?? '';
      return value === '' ? [] : [`${name}: ${value}`];
    })
    .join('\n\n');
}

/** The query with its bounds, for SQLite and PostgreSQL. @param parameter how the dialect names its n-th */
export function rowsStatement(
  { query, key, cursor }: Pick<RowsSource, 'query' | 'key' | 'cursor'>,
  after: RowsPlace,
  count: number,
  parameter: (n: number) => string,
): { readonly sql: string; readonly parameters: readonly RowValue[] } {
  const inner = query.trim().replace(/;\s*$/, '');
  const order = [cursor, key].flatMap((column) => (column === undefined ? [] : quote(column)));
  const given = [after.cursor, after.key].flatMap((value) => (value === undefined ? [] : [value]));
  const columns = order.slice(order.length - Math.max(given.length, 1));
  const bound =
    cursor !== undefined && after.key === undefined
      ? { columns: order.slice(0, 1), sign: '>=' }
      : { columns, sign: '>' };
  const values = given.map((_, i) => parameter(i + 1)).join(', ');
  const where =
    given.length === 0 ? '' : `WHERE (${bound.columns.join(', ')}) ${bound.sign} (${values})`;
  return {
    // On a line of its own: what ends the query may be a comment.
    sql: `SELECT * FROM (${inner}\n) AS source_rows ${where} ORDER BY ${order.join(', ')} LIMIT ${count}`,
    parameters: given,
  };
}

const quote = (column: string): string => `"${column.replaceAll('"', '""')}"`;
