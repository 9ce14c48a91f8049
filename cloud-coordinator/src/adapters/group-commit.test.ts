import { assert } from '@skerry/shared';
import { sql } from 'kysely';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createGroupCommit } from './group-commit.ts';
import { openSqlite } from './open-sqlite.ts';

async function fresh(gapMs?: number) {
  const db = await openSqlite(':memory:');
  assert(db.ok, 'the database opens');
  onTestFinished(() => db.value.destroy());
  const commits = createGroupCommit(db.value, gapMs);
  const insert = (device: string, position = 1) =>
    commits.run((tx) => tx.insertInto('down_position').values({ device, position }).execute());
  const devices = async () =>
    (await db.value.selectFrom('down_position').select('device').orderBy('device').execute()).map(
      (row) => row.device,
    );
  return { commits, insert, devices };
}

describe('a group commit', () => {
  it('gives each its own result', async () => {
    const { commits } = await fresh();
    const results = await Promise.all([1, 2, 3].map((n) => commits.run(async () => n)));
    expect(results).toEqual([1, 2, 3].map((value) => ({ ok: true, value })));
  });

  it('fails what cannot be stored, and stores what came with it', async () => {
    const { insert, devices } = await fresh();
    const results = await Promise.all(['a', 'b', 'b', 'c'].map((device) => insert(device)));
    expect(results.map((result) => result.ok)).toEqual([true, true, false, true]);
    expect(results[2]).toMatchObject({ error: { code: 'storage_failed' } });
    expect(await devices()).toEqual(['a', 'b', 'c']);
  });

  it('says why, when the disk is full', async () => {
    const { commits, insert } = await fresh();
    await insert('a');
    await commits.run(async (tx) => {
      const { rows } = await sql<{ page_count: number }>`PRAGMA page_count`.execute(tx);
      await sql.raw(`PRAGMA max_page_count = ${rows[0]?.page_count}`).execute(tx);
    });
    const results = await Promise.all(
      Array.from({ length: 2_000 }, (_, i) => insert(`device-${i}`)),
    );
    const refused = results.find((result) => !result.ok);
    expect(refused).toMatchObject({ error: { message: expect.stringContaining('full') } });
  });

  it.each([
    [0, 3],
    [100, 1],
  ])(
    'with a gap of %d ms makes %d transactions of what comes one after another',
    async (gapMs, many) => {
      const { commits } = await fresh(gapMs);
      await commits.run(async () => {});
      const transactions = new Set<unknown>();
      const works: Promise<unknown>[] = [];
      for (let i = 0; i < 3; i++) {
        works.push(commits.run(async (tx) => transactions.add(tx)));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await Promise.all(works);
      expect(transactions.size).toBe(many);
    },
  );

  it('takes more than fits into one transaction', async () => {
    const { insert, devices } = await fresh();
    const names = Array.from({ length: 1_000 }, (_, i) => String(i).padStart(4, '0'));
    await Promise.all(names.map((name) => insert(name)));
    expect(await devices()).toEqual(names);
  });
});
