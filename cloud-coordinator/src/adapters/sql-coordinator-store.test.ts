import { unwrap } from '@skerry/shared/testing';
import {
  coordinatorStoreContract,
  sampleAnswer,
  sampleDocumentChange,
  sampleExchange,
  sampleUpOp,
} from '@skerry/sync-protocol/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { sqliteDisk } from '../testing/sqlite-disk.ts';
import { createSqlCoordinatorStore } from './sql-coordinator-store.ts';

const atMs = 1_234;
const clock = { nowMs: () => atMs };

coordinatorStoreContract('SQLite', () => sqliteDisk((db) => createSqlCoordinatorStore(db, clock)));

describe('a row that cannot be read', () => {
  const broken = Uint8Array.of(0xff, 0x00);
  const device = 'device-1';
  const fresh = async () => {
    const disk = sqliteDisk((db) => ({ db, store: createSqlCoordinatorStore(db, clock) }));
    const opened = await disk.open();
    onTestFinished(disk.close);
    const aside = () => opened.db.selectFrom('quarantine').selectAll().orderBy('id').execute();
    return { ...opened, aside };
  };

  it('[QUA5] among open ops is quarantined, and as many as were asked for are handed out', async () => {
    const { db, store, aside } = await fresh();
    const ops = [1, 2, 3, 4].map((seq) => ({ seq, atMs: seq, body: sampleDocumentChange() }));
    const assigned = { urgent: 0, normal: 9, bulk: 0 };
    unwrap(await store.accept(sampleExchange({ assigned, ops }), 5));
    await db.updateTable('up_op').set({ body: broken }).where('at_ms', 'in', [1, 3]).execute();
    const open = unwrap(await store.openOps('document-change', 2));
    expect(open.map((op) => op.atMs)).toEqual([2, 4]);
    expect(await aside()).toMatchObject([
      { device, kind: 'document-change', body: Buffer.from(broken), at_ms: atMs },
      { at_ms: atMs },
    ]);
  });

  it('[QUA5] that is an op of another kind than its row says is no better', async () => {
    const { db, store, aside } = await fresh();
    unwrap(await store.accept(sampleExchange({ ops: [sampleUpOp(1)] }), 5));
    const { body } = await db.selectFrom('escalation').select('body').executeTakeFirstOrThrow();
    await db
      .insertInto('up_op')
      .values({ device, kind: 'document-change', at_ms: 1, body })
      .execute();
    expect(unwrap(await store.openOps('document-change', 9))).toEqual([]);
    expect(await aside()).toMatchObject([{ reason: expect.stringContaining('escalation') }]);
  });

  it('[QUA5] [NEV3] among open escalations is answered as failed, once; the others are still open', async () => {
    const { db, store, aside } = await fresh();
    unwrap(await store.accept(sampleExchange({ ops: [1, 2].map(sampleUpOp) }), 5));
    await db
      .updateTable('escalation')
      .set({ body: broken })
      .where('request_id', '=', 'r1')
      .execute();
    for (let i = 0; i < 2; i++)
      expect(unwrap(await store.openEscalations(1))).toMatchObject([{ body: { requestId: 'r2' } }]);
    const down = unwrap(await store.downOpsAfter(device, 0, 9, 1e6));
    expect(down.ops).toMatchObject([
      { atMs, body: { requestId: 'r1', outcome: { kind: 'failed' } } },
    ]);
    expect(await aside()).toMatchObject([{ device, kind: 'escalation', at_ms: atMs }]);
  });

  it('[QUA5] among down ops changes nothing, and its position passes', async () => {
    const { db, store, aside } = await fresh();
    unwrap(await store.accept(sampleExchange({ ops: [1, 2, 3].map(sampleUpOp) }), 5));
    for (const id of ['r1', 'r2', 'r3'])
      unwrap(await store.appendDown(device, sampleAnswer(id), 5));
    await db.updateTable('down_op').set({ body: broken }).where('position', '!=', 2).execute();
    for (let i = 0; i < 2; i++)
      expect(unwrap(await store.downOpsAfter(device, 0, 9, 1e6))).toMatchObject({
        ops: [
          { position: 1, body: { requestId: 'unreadable', outcome: { kind: 'failed' } } },
          { position: 2, body: { requestId: 'r2' } },
          { position: 3, body: { requestId: 'unreadable' } },
        ],
        more: false,
      });
    expect(await aside()).toMatchObject([{ device, kind: 'down' }, {}]);
  });
});
