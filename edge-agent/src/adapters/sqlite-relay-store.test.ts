import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert, ok } from '@skerry/shared';
import type { UpBody } from '@skerry/sync-protocol';
import {
  memberStoreContract,
  openOpsContract,
  sampleDocumentChange,
  sampleEscalation,
  sampleExchange,
  sampleTelemetry,
} from '@skerry/sync-protocol/testing';
import { expect, it, onTestFinished } from 'vitest';
import { openDatabase, type SqliteDatabase } from './sqlite-database.ts';
import { createSqliteRelayStore } from './sqlite-relay-store.ts';

const site = 'site/north';
const bounds = { neighboursMax: 2, framesMax: 3 };
const dayMs = 86_400_000;
const change = { ...sampleDocumentChange(), document: site };

function createDisk() {
  const folder = mkdtempSync(join(tmpdir(), 'skerry-relay-'));
  let database: SqliteDatabase | undefined;
  onTestFinished(() => {
    database?.close();
    rmSync(folder, { recursive: true });
  });
  return {
    /** What lies in quarantine, oldest first. */
    quarantined: () =>
      database?.prepare('SELECT * FROM document_quarantine ORDER BY id').all() ?? [],
    run: (sql: string) => database?.exec(sql),
    corrupt: (table: 'relay_frame' | 'relay_down') =>
      database?.prepare(`UPDATE ${table} SET body = x'ff00' WHERE rowid IN (1, 3)`).run(),
    open(nowMs = 0) {
      database?.close();
      const opened = openDatabase(join(folder, 'agent.db'));
      assert(opened.ok, 'the database opens');
      database = opened.value;
      const store = createSqliteRelayStore(opened.value, site, bounds, nowMs);
      assert(store.ok, 'the store opens');
      return store.value;
    },
  };
}

const ops = (bodies: readonly UpBody[]) => bodies.map((body, i) => ({ seq: i + 1, atMs: 1, body }));
const assigned = { urgent: 9, normal: 9, bulk: 9 };

memberStoreContract('SQLite, a relay’s', () => {
  const disk = createDisk();
  return { open: () => disk.open().members, close() {} };
});

openOpsContract(
  'SQLite, a relay’s',
  () => {
    const disk = createDisk();
    const quarantined = async () => ok(disk.quarantined().length);
    return { open: () => ({ ...disk.open(), quarantined }), close() {} };
  },
  site,
);

it('[ACC1] [ACC2] [ACC9] a relay stores each frame once, until it is taken, over a restart', async () => {
  const disk = createDisk();
  const store = disk.open();
  const exchange = sampleExchange({ assigned, ops: ops([change, change]) });
  const acks = [{ epoch: exchange.epoch, lane: 'normal', seq: 2 }];
  expect(await store.accept(exchange, 5)).toMatchObject({ value: { fresh: exchange.ops, acks } });
  const again = disk.open();
  expect(await again.accept(exchange, 6)).toMatchObject({ value: { fresh: [], acks } });
  const open = await again.openOps('document-change', 9);
  assert(open.ok, 'frames can be read');
  expect(open.value).toMatchObject([{ device: exchange.device, body: change }, {}]);
  await again.closeOps(open.value.map(({ id }) => id));
  expect(await again.openOps('document-change', 9)).toEqual({ ok: true, value: [] });
});

it('[QUA3] [RLY7] what a relay puts aside is its document’s refused frame, and makes room', async () => {
  const disk = createDisk();
  const store = disk.open();
  const device = sampleExchange({}).device;
  await store.accept(sampleExchange({ assigned, ops: ops([change, change, change]) }), 5);
  const open = await store.openOps('document-change', 9);
  assert(open.ok, 'frames can be read');
  await store.quarantineOp(open.value[1]?.id ?? 0, 'a bug', 6);
  expect(disk.quarantined()).toMatchObject([
    { document: site, source: device, reason: 'a bug', at_ms: 6 },
  ]);
  const next = { seq: 4, atMs: 1, body: change };
  expect(await store.accept(sampleExchange({ assigned, ops: [next] }), 7)).toMatchObject({
    value: { fresh: [next] },
  });
});

it('[QUA5] a frame that a relay cannot read is put aside, and as many as were asked for are handed out', async () => {
  const disk = createDisk();
  const store = disk.open();
  const { device } = sampleExchange({});
  await store.accept(sampleExchange({ assigned, ops: ops([change, change, change]) }), 5);
  disk.corrupt('relay_frame');
  expect(await store.openOps('document-change', 1)).toMatchObject({ value: [{ body: change }] });
  expect(await store.openOps('document-change', 9)).toMatchObject({ value: [{ body: change }] });
  expect(disk.quarantined()).toMatchObject([{ document: site, source: device }, {}]);
});

it('[QUA5] a down op that a relay cannot read changes nothing, and its position passes', async () => {
  const disk = createDisk();
  const store = disk.open();
  const { device } = sampleExchange({});
  await store.accept(sampleExchange({ assigned, ops: [] }), 5);
  for (let i = 0; i < 3; i++) await store.append(device, change, 5);
  disk.corrupt('relay_down');
  const nothing = { kind: 'answer', requestId: 'unreadable' };
  for (let i = 0; i < 2; i++)
    expect(await store.downOpsAfter(device, 0, 9, 1e6)).toMatchObject({
      value: { ops: [{ body: nothing }, { body: change }, { position: 3, body: nothing }] },
    });
  expect(disk.quarantined()).toMatchObject([{ document: site, source: 'relay' }, {}]);
});

it('[QUA5] a neighbour of whom it cannot be read what it has is one that has nothing', async () => {
  const disk = createDisk();
  const member = { document: site, device: 'box', epoch: 1, heads: ['a'], position: 0 };
  await disk.open().members.save({ ...member, basisEpoch: 1, basis: ['a'] });
  disk.run("UPDATE document_member SET heads = '[', basis = '7'");
  expect(await disk.open().members.load()).toEqual({
    ok: true,
    value: [{ ...member, heads: [], basisEpoch: 1, basis: [] }],
  });
});

it('[ACC3] [ACC4] [ACC6] a relay hands out in order, and gives positions above every cursor', async () => {
  const disk = createDisk();
  const store = disk.open();
  await store.accept(sampleExchange({ assigned, cursor: 40, ops: [] }), 5);
  const device = sampleExchange({}).device;
  for (const position of [41, 42])
    expect(await store.append(device, change, 5)).toEqual({ ok: true, value: position });
  expect(await store.downOpsAfter(device, 40, 1, 1e6)).toMatchObject({
    value: { ops: [{ position: 41, body: change }], more: true },
  });
  await store.accept(sampleExchange({ assigned, cursor: 42, ops: [] }), 5);
  expect(await store.downOpsAfter(device, 0, 9, 1e6)).toEqual({
    ok: true,
    value: { ops: [], more: false },
  });
  const again = disk.open();
  expect(await again.append(device, change, 5)).toEqual({ ok: true, value: 43 });
  expect(await again.append('stranger', change, 5)).toMatchObject({
    error: { code: 'not_found' },
  });
});

it('[RLY2] an Exchange with anything but changes of the site’s document is refused whole', async () => {
  const store = createDisk().open();
  for (const other of [
    sampleEscalation('r1'),
    sampleTelemetry(),
    { ...change, document: 'site/south' },
    { ...change, document: 'device/device-1' },
  ]) {
    const exchange = sampleExchange({ assigned, ops: ops([change, other]) });
    expect(await store.accept(exchange, 5)).toMatchObject({ error: { code: 'invalid_argument' } });
  }
  expect(store.neighbours()).toBe(0);
  expect(await store.openOps('document-change', 9)).toEqual({ ok: true, value: [] });
});

it('[RLY7] one neighbour too many and one frame too many are refused; the long silent make room', async () => {
  const disk = createDisk();
  const store = disk.open();
  const from = (device: string, bodies: readonly UpBody[] = [], atMs = 0) =>
    sampleExchange({ device, assigned, ops: ops(bodies), ...(atMs === 0 ? {} : { cursor: 1 }) });
  expect(await store.accept(from('a', [change, change]), 0)).toMatchObject({ ok: true });
  expect(await store.accept(from('b', [change, change]), 0)).toMatchObject({
    error: { code: 'overloaded' },
  });
  expect(await store.accept(from('b', [change]), 80 * dayMs)).toMatchObject({ ok: true });
  expect(await store.accept(from('c'), 80 * dayMs)).toMatchObject({
    error: { code: 'overloaded' },
  });
  const later = disk.open(100 * dayMs);
  expect(later.neighbours()).toBe(1);
  expect(await later.accept(from('c'), 100 * dayMs)).toMatchObject({ ok: true });
});
