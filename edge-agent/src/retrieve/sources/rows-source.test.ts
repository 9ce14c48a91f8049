import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { err, failure, ok, silentLog } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { createVirtualClock, unwrap } from '@skerry/shared/testing';
import Database from 'better-sqlite3';
import { expect, it, onTestFinished } from 'vitest';
import { createDirectCollections } from '../../adapters/direct-collections.ts';
import { openDatabase } from '../../adapters/sqlite-database.ts';
import { createSqliteRows, rowOf } from '../../adapters/sqlite-rows.ts';
import { createSqliteSourceStore } from '../../adapters/sqlite-source-store.ts';
import { createLibrary } from '../library.ts';
import { type RowsPort, rowsStatement, startRows } from './rows-source.ts';
import { librarySourcesSchema, type SqliteSource } from './source-config.ts';
import { createTakeIn } from './take-in.ts';
// Loaded with the first document that is read: a virtual clock would not wait for it.
import '../read/language-of.ts';

const settled = () => new Promise((resolve) => setImmediate(resolve));

const sourceOf = (more: object = {}): SqliteSource => {
  const [source] = librarySourcesSchema.parse([
    {
      kind: 'sqlite',
      name: 'faults',
      collection: 'manuals',
      file: 'plant.db',
      query: 'SELECT * FROM fault;',
      key: 'id',
      title: 'title',
      text: ['title', 'remedy'],
      ...more,
    },
  ]);
  return source as SqliteSource;
};

/** A table of faults; the same statements as the adapter's, without its thread. */
function openWorld(source: SqliteSource) {
  const plant = new Database(':memory:');
  plant.exec('CREATE TABLE fault (id INTEGER PRIMARY KEY, title, remedy, changed)');
  const read: number[] = [];
  const rows: RowsPort = {
    async read(after, count) {
      const { sql, parameters } = rowsStatement(source, after, count, () => '?');
      const found = plant.prepare(sql).all(...parameters) as Record<string, unknown>[];
      read.push(found.length);
      const each = found.map((columns) => rowOf(columns, source));
      const failed = each.find((row) => !row.ok);
      return failed && !failed.ok ? failed : ok(each.flatMap((row) => (row.ok ? [row.value] : [])));
    },
    close: async () => {},
  };
  const clock = createVirtualClock();
  const collections = createDirectCollections({ folder: ':memory:' });
  const library = createLibrary({ collections, digestOf: sha256, clock, log: silentLog });
  const store = createSqliteSourceStore(unwrap(openDatabase(':memory:')));
  const takeInOf = (configured: SqliteSource) =>
    createTakeIn(configured, {
      library,
      readInThread: async () => err(failure('internal', 'not asked')),
      quoting: [],
      store,
      digestOf: sha256,
      clock,
    });
  const start = (configured = source) => {
    const running = startRows(configured, {
      rows,
      takeIn: takeInOf(configured),
      store,
      digestOf: sha256,
      clock,
      log: silentLog,
    });
    onTestFinished(() => running.close());
    return running;
  };
  onTestFinished(async () => {
    await collections.close();
    plant.close();
  });
  const insert = plant.prepare('INSERT OR REPLACE INTO fault VALUES (?, ?, ?, ?)');
  const advance = async (ms: number) => {
    const untilMs = clock.monotonicMs() + ms;
    do await settled();
    while (clock.runNext(untilMs));
  };
  const list = async () => {
    const thread = unwrap(await collections.open('manuals'));
    return unwrap(await thread.list({ principals: 'all' }));
  };
  return { plant, insert, read, start, advance, list, store };
}

it('[LIB47] takes each row as a document, a changed one anew, and takes out those that are gone', async () => {
  const { plant, insert, start, advance, list } = openWorld(sourceOf());
  insert.run(1, 'E17', 'Bleed the pump.', 1);
  insert.run(2, 'E18', 'Change the oil filter.', 1);
  for (let i = 3; i <= 510; i++) insert.run(i, `E${i}`, 'Call the maker.', 1);
  const running = start();
  await advance(1);
  const listed = await list();
  expect(listed).toHaveLength(510);
  expect(listed.find(({ uri }) => uri === 'faults/1')).toMatchObject({ title: 'E17', version: 1 });
  insert.run(1, 'E17', 'Bleed the pump twice.', 2);
  plant.exec('DELETE FROM fault WHERE id = 2 OR id > 10');
  await advance(61_000);
  const after = await list();
  expect(after.map(({ uri }) => uri).sort()).toEqual(
    [1, 10, 3, 4, 5, 6, 7, 8, 9].map((id) => `faults/${id}`),
  );
  expect(after.find(({ uri }) => uri === 'faults/1')).toMatchObject({ version: 2 });
  expect(running.state()).toMatchObject({ state: 'waiting' });
  plant.exec('DELETE FROM fault');
  await advance(61_000);
  expect(await list()).toHaveLength(9);
  expect(running.state().reason).toMatch(/gone at once/);
});

it('[LIB44] takes the same rows again under other terms, and under the same ones nothing', async () => {
  const { insert, start, advance, list } = openWorld(sourceOf());
  insert.run(1, 'E17', 'Bleed the pump.', 1);
  const first = start();
  await advance(61_000);
  expect(await list()).toMatchObject([{ version: 1, readers: null }]);
  await first.close();
  start(sourceOf({ readers: ['night shift'] }));
  await advance(1);
  expect(await list()).toMatchObject([{ version: 2, readers: ['night shift'] }]);
});

it('[LIB47] reads behind its cursor alone, also rows that came late with the same one, and over a restart', async () => {
  const { insert, read, start, advance, list } = openWorld(sourceOf({ cursor: 'changed' }));
  for (let i = 1; i <= 550; i++) insert.run(i, `E${i}`, 'Call the maker.', i < 500 ? i : 500);
  await advance(1);
  const first = start();
  await advance(1);
  expect(await list()).toHaveLength(550);
  read.length = 0;
  insert.run(0, 'E0', 'Late, with the same cursor.', 500);
  insert.run(5, 'E5', 'Changed.', 501);
  await advance(61_000);
  expect(read).toEqual([53, 0]);
  const listed = await list();
  expect(listed).toHaveLength(551);
  expect(listed.find(({ uri }) => uri === 'faults/5')).toMatchObject({ version: 2 });
  await first.close();
  read.length = 0;
  start();
  await advance(1);
  expect(read).toEqual([1, 0]);
});

it('[LIB47] says what is wrong with a query, a column or a key, and goes on when it is right', async () => {
  const { plant, insert, start, advance, list } = openWorld(sourceOf({ cursor: 'changed' }));
  insert.run(1, 'E1', 'Call the maker.', null);
  const running = start();
  await advance(1);
  expect(running.state()).toMatchObject({ state: 'away', reason: "a row has no 'changed'" });
  plant.exec('UPDATE fault SET changed = 1');
  await advance(200_000);
  expect(running.state()).toMatchObject({ state: 'waiting' });
  expect(await list()).toHaveLength(1);
  expect(rowOf({ id: 1 }, sourceOf())).toMatchObject({ error: { code: 'invalid_config' } });
  const bytes = { id: 1, title: 'a', remedy: Buffer.from('x') };
  expect(rowOf(bytes, sourceOf())).toMatchObject({ error: { code: 'invalid_config' } });
});

it('[LIB47] only reads a SQLite file, in a process that is ended when it takes too long', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'skerry-rows-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'plant.db');
  const plant = new Database(file);
  plant.exec(
    "CREATE TABLE fault (id, title, remedy); INSERT INTO fault VALUES (1, 'E17', 'Bleed.')",
  );
  plant.close();
  const rows = createSqliteRows(sourceOf({ file }));
  expect(unwrap(await rows.read({}, 10))).toEqual([
    { key: 1, cursor: null, columns: { id: 1, title: 'E17', remedy: 'Bleed.' } },
  ]);
  const commented = sourceOf({ file, query: 'SELECT * FROM fault -- all of them' });
  expect(unwrap(await createSqliteRows(commented).read({}, 10))).toHaveLength(1);
  const query = 'DELETE FROM fault RETURNING *';
  expect(await createSqliteRows(sourceOf({ file, query })).read({}, 10)).toMatchObject({
    ok: false,
  });
  expect(unwrap(await rows.read({}, 10))).toHaveLength(1);
  const endless =
    'WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) SELECT id, 1 title, 1 remedy FROM n';
  expect(
    await createSqliteRows(sourceOf({ file, query: endless }), 300).read({}, 10),
  ).toMatchObject({
    error: { code: 'unavailable', message: 'the query has not ended within 300 ms' },
  });
});

it('[LIB47] takes no number for another, and no more text at once than fits', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'skerry-rows-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'plant.db');
  const plant = new Database(file);
  plant.exec('CREATE TABLE fault (id INTEGER, title, remedy)');
  const insert = plant.prepare('INSERT INTO fault VALUES (?, ?, ?)');
  insert.run(9_007_199_254_740_993n, 9_007_199_254_740_993n, 'Bleed.');
  const asText = sourceOf({ file, query: "SELECT id || '' AS id, title, remedy FROM fault" });
  const rows = createSqliteRows(asText);
  onTestFinished(() => rows.close());
  const large = createSqliteRows(sourceOf({ file }));
  onTestFinished(() => large.close());
  expect(unwrap(await rows.read({}, 10))).toMatchObject([
    { key: '9007199254740993', columns: { title: '9007199254740993' } },
  ]);
  expect(await large.read({}, 10)).toMatchObject({
    error: {
      code: 'invalid_config',
      message: "column 'id' has numbers above 2^53: cast it to text",
    },
  });
  plant.exec('DELETE FROM fault');
  for (let id = 1; id <= 4; id++) insert.run(id, 'large', 'x'.repeat(9 * 2 ** 20));
  plant.close();
  expect(unwrap(await large.read({}, 10)).map(({ key }) => key)).toEqual([1, 2]);
  expect(unwrap(await large.read({ key: 2 }, 10)).map(({ key }) => key)).toEqual([3, 4]);
});
