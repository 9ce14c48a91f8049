import { assert, silentLog } from '@skerry/shared';
import type { DeviceStatus } from '@skerry/sync-protocol';
import { createVirtualClock } from '@skerry/sync-protocol/testing';
import { sql } from 'kysely';
import { describe, expect, it } from 'vitest';
import { openSqlite } from '../adapters/open-sqlite.ts';
import { createSqlDeviceTable } from '../adapters/sql-device-table.ts';
import { openDeviceRegistry } from './device-registry.ts';

const limits = { devicesMax: 3, offlineAfterMs: 1_000, saveEveryMs: 100 };
const status: DeviceStatus = {
  agentVersion: '0.1.0',
  target: 'linux-x64',
  models: [],
  counts: {
    answered: 5,
    atExit: { 'exit:1': 4 },
    escalated: 1,
    cloudInTime: 1,
    degraded: 0,
    late: 0,
    failed: 0,
  },
  queue: { ops: 0, bytes: 0 },
  recent: [],
};

async function fresh() {
  const db = await openSqlite(':memory:');
  assert(db.ok, 'the database opens');
  const clock = createVirtualClock(1_000_000);
  const open = async () => {
    const table = createSqlDeviceTable(db.value);
    const registry = await openDeviceRegistry(limits, table, clock, silentLog);
    assert(registry.ok, 'the registry opens');
    return registry.value;
  };
  const corrupt = () =>
    sql`UPDATE device SET status = '{' WHERE device = 'device-1'`.execute(db.value);
  return { clock, open, corrupt };
}

describe('the device registry', () => {
  it('knows a device from its first Exchange on, and keeps its latest status', async () => {
    const { clock, open } = await fresh();
    const registry = await open();
    registry.heard('device-1', 'e1', status);
    clock.runNext(1_000_050);
    registry.heard('device-1', 'e2', undefined);
    expect(registry.get('device-1')).toEqual({
      device: 'device-1',
      epoch: 'e2',
      firstSeenMs: 1_000_000,
      lastSeenMs: 1_000_050,
      statusMs: 1_000_000,
      status,
      online: true,
    });
    expect(registry.get('device-2')).toBeUndefined();
  });

  it('counts a device as offline when its link is lost, or it was silent too long', async () => {
    const { clock, open } = await fresh();
    const registry = await open();
    registry.heard('device-1', 'e1', undefined);
    registry.linked('device-1', false);
    expect(registry.get('device-1')?.online).toBe(false);
    registry.heard('device-1', 'e1', undefined);
    expect(registry.get('device-1')?.online).toBe(true);
    while (clock.runNext(1_001_000));
    expect(registry.get('device-1')?.online).toBe(false);
  });

  it('refuses one device too many, and knows the others still', async () => {
    const { open } = await fresh();
    const registry = await open();
    for (const device of ['a', 'b', 'c'])
      expect(registry.heard(device, 'e', undefined)).toMatchObject({ ok: true });
    expect(registry.heard('d', 'e', undefined)).toMatchObject({ error: { code: 'overloaded' } });
    expect(registry.heard('a', 'e', undefined)).toMatchObject({ ok: true });
    expect(registry.list(10).map((d) => d.device)).toEqual(['a', 'b', 'c']);
    expect(registry.list(1, 'a').map((d) => d.device)).toEqual(['b']);
    expect(registry.totals()).toEqual({ known: 3, online: 3 });
  });

  it('knows after a restart what it knew before', async () => {
    const { open } = await fresh();
    const before = await open();
    before.heard('device-1', 'e1', status);
    await before.close();
    // But for when it said so: what was said to another process is believed, and proves nothing.
    const known = before.list(10).map(({ statusMs: _, ...each }) => each);
    expect((await open()).list(10)).toEqual(known);
  });

  it('[QUA5] a status that cannot be read costs its device the status, and nobody else anything', async () => {
    const { clock, open, corrupt } = await fresh();
    const registry = await open();
    for (const name of ['device-1', 'device-2']) registry.heard(name, 'e1', status);
    clock.runNext(1_000_100);
    await registry.close();
    await corrupt();
    const again = await open();
    expect(again.get('device-1')?.status).toBeUndefined();
    expect(again.get('device-2')?.status).toEqual(status);
  });
});
