// What a database of an older version holds is there in the present one.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from '@skerry/shared';
import Database from 'better-sqlite3';
import { Kysely, Migrator, SqliteDialect, sql } from 'kysely';
import { expect, it, onTestFinished } from 'vitest';
import { migrations } from './migrations.ts';
import { openSqlite } from './open-sqlite.ts';

it('[ACC9] [QUA3] open ops and those put aside outlive the version that gave numbers twice', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'skerry-migrations-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'coordinator.sqlite');
  const before = new Kysely<unknown>({
    dialect: new SqliteDialect({ database: new Database(path) }),
  });
  const all = migrations({
    bytes: 'blob',
    rowNumber: 'integer',
    rowNumberOnce: 'integer primary key autoincrement',
  });
  const migrator = new Migrator({ db: before, provider: { getMigrations: async () => all } });
  expect((await migrator.migrateTo('0006-audits')).error).toBeUndefined();
  for (const id of [7, 9])
    await sql`INSERT INTO up_op VALUES (${id}, 'box', 'document-change', ${id}, x'01')`.execute(
      before,
    );
  await sql`INSERT INTO quarantine VALUES (3, 'box', 'document-change', 'poison', 5, x'02')`.execute(
    before,
  );
  await before.destroy();

  const opened = await openSqlite(path);
  assert(opened.ok, 'the database opens');
  const db = opened.value;
  onTestFinished(() => db.destroy());
  const open = await db.selectFrom('up_op').selectAll().orderBy('id').execute();
  expect(open).toMatchObject([{ at_ms: 7 }, { at_ms: 9, kind: 'document-change' }]);
  const aside = await db.selectFrom('quarantine').selectAll().execute();
  expect(aside).toMatchObject([{ device: 'box', reason: 'poison', at_ms: 5 }]);
});
