// Rows of a SQLite file that is somebody else's: read-only, in a process of its own, since a query blocks whoever runs it,
// and one that takes too long is ended.

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { collect, err, failure, ok, type Result } from '@skerry/shared';
import {
  type Row,
  type RowsPort,
  type RowValue,
  rowsStatement,
} from '../retrieve/sources/rows-source.ts';
import type { RowsSource, SqliteSource } from '../retrieve/sources/source-config.ts';
import type { RowsReply, RowsWork } from './sqlite-rows-process.ts';

// The process loads what Node itself can load: the built file, also when this one runs as source under a test.
const processUrl = fileURLToPath(
  new URL('../../dist/adapters/sqlite-rows-process.js', import.meta.url),
);

const queryMsMax = 30_000;
/** Without a query its process ends. */
const idleMs = 10_000;

export function createSqliteRows(source: SqliteSource, msMax = queryMsMax): RowsPort {
  let child: ChildProcess | undefined;
  let idle: NodeJS.Timeout | undefined;

  const end = (): void => {
    child?.kill('SIGKILL');
    child = undefined;
  };
  const start = (): ChildProcess => {
    // Nothing of our environment, and no flags of whoever started us: a test's would lead what is built back to sources.
    const started = fork(processUrl, [], { execArgv: [], env: {}, serialization: 'advanced' });
    started.unref();
    started.channel?.unref();
    return started;
  };
  return {
    async read(after, count) {
      clearTimeout(idle);
      const { sql, parameters } = rowsStatement(source, after, count, () => '?');
      child ??= start();
      const reply = await ask(child, { file: source.file, sql, parameters }, msMax);
      if (reply === undefined) {
        end();
        return err(failure('unavailable', `the query has not ended within ${msMax} ms`));
      }
      idle = setTimeout(end, idleMs).unref();
      if (!reply.ok) return reply;
      return collect(reply.value.map((columns) => rowOf(columns, source)));
    },
    async close() {
      clearTimeout(idle);
      end();
    },
  };
}

/** Undefined where it took too long, or its process has ended. */
function ask(child: ChildProcess, work: RowsWork, msMax: number): Promise<RowsReply | undefined> {
  return new Promise((resolve) => {
    const settle = (reply: unknown): void => {
      clearTimeout(timer);
      for (const event of ['exit', 'error'] as const) child.off(event, gone);
      child.off('message', settle);
      resolve(reply as RowsReply | undefined);
    };
    const gone = (): void => settle(undefined);
    const timer = setTimeout(gone, msMax);
    child.once('message', settle);
    child.once('exit', gone);
    child.once('error', gone);
    child.send(work, (failed) => failed && gone());
  });
}

/** A whole number that JavaScript's numbers do not hold is its digits, which are no place in a table any more. */
const columnValue = (value: unknown): unknown => {
  if (typeof value !== 'bigint') return value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
};

/** Fails with `invalid_config` where a column is not there, or is no text or number, or a key or cursor is above 2^53. */
export function rowOf(
  columns: Readonly<Record<string, unknown>>,
  { key, cursor, text, title }: Pick<RowsSource, 'key' | 'cursor' | 'text' | 'title'>,
): Result<Row> {
  const wanted = new Set([key, ...text, ...[cursor, title].flatMap((name) => name ?? [])]);
  /** By which rows are told apart, and found again. */
  const places = new Set([key, cursor]);
  const values: Record<string, RowValue> = {};
  for (const name of wanted) {
    const value = columnValue(columns[name]);
    if (value === undefined) return err(failure('invalid_config', `no column '${name}'`));
    if (value !== null && typeof value !== 'string' && typeof value !== 'number')
      return err(failure('invalid_config', `column '${name}' is neither text nor number`));
    if (typeof columns[name] === 'bigint' && typeof value === 'string' && places.has(name))
      return err(
        failure('invalid_config', `column '${name}' has numbers above 2^53: cast it to text`),
      );
    values[name] = value;
  }
  const cursorValue = cursor === undefined ? null : (values[cursor] ?? null);
  if (cursor !== undefined && cursorValue === null)
    return err(failure('invalid_config', `a row has no '${cursor}'`));
  return ok({ key: values[key] ?? null, cursor: cursorValue, columns: values });
}
