import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  deviceStoreContract,
  sampleAcks,
  sampleAnswer,
  sampleEscalation,
  sampleReply,
} from '@skerry/sync-protocol/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openDatabase, type SqliteDatabase } from './sqlite-database.ts';
import { createSqliteDeviceStore } from './sqlite-device-store.ts';
import { createSqliteEscalationStore } from './sqlite-escalation-store.ts';

function open(path: string): SqliteDatabase {
  const database = openDatabase(path);
  if (!database.ok) throw new Error(database.error.message);
  return database.value;
}

function temporaryPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'skerry-store-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'agent.db');
}

function storeOn(database: SqliteDatabase, bounds = { outboxOpsMax: 100, outboxBytesMax: 1e6 }) {
  const store = createSqliteDeviceStore(database, 'device-1', () => 'epoch-1', bounds);
  if (!store.ok) throw new Error(store.error.message);
  return store.value;
}

deviceStoreContract('SQLite', (bounds) => {
  const path = temporaryPath();
  let database: SqliteDatabase | undefined;
  return {
    open() {
      database = open(path);
      return storeOn(database, bounds);
    },
    close: () => void database?.close(),
  };
});

describe('the device’s database', () => {
  it('refuses to be another device’s', () => {
    const database = open(':memory:');
    storeOn(database);
    const bounds = { outboxOpsMax: 1, outboxBytesMax: 1 };
    const other = createSqliteDeviceStore(database, 'device-2', () => 'e', bounds);
    expect(other).toMatchObject({ error: { code: 'invalid_config' } });
  });

  it('refuses a file that a newer agent has written, and one that is no database', () => {
    const path = temporaryPath();
    const database = open(path);
    database.pragma('user_version = 999');
    database.close();
    expect(openDatabase(path)).toMatchObject({ error: { code: 'storage_failed' } });
    expect(openDatabase('/dev/null/agent.db')).toMatchObject({ error: { code: 'storage_failed' } });
  });

  it('says storage_failed when the disk is full, loses nothing, and goes on when there is room', () => {
    const database = open(temporaryPath());
    const store = storeOn(database);
    expect(store.append(sampleEscalation('a'), 1).ok).toBe(true);
    const pages = database.pragma('page_count', { simple: true }) as number;
    database.pragma(`max_page_count = ${pages}`);
    const big = { ...sampleEscalation('b'), version: 'v'.repeat(64) };
    const refused = Array.from({ length: 40 }, (_, i) =>
      store.append({ ...big, requestId: `b${i}` }, 1),
    ).find((appended) => !appended.ok);
    expect(refused).toMatchObject({ error: { code: 'storage_failed', retryable: true } });
    const { ops } = store.position();
    expect(store.unacknowledged(100, 1e6)).toHaveLength(ops);
    database.pragma('max_page_count = 100000');
    expect(store.append(sampleEscalation('c'), 1).ok).toBe(true);
  });
});

describe('escalation records', () => {
  const record = (requestId: string) => ({
    requestId,
    clientId: `app-${requestId}`,
    model: 'digits',
    version: '1.0.0',
    appendedMs: 1,
    local: { exit: 1, label: 4, confidence: 0.5 },
  });
  const records = (max = 100) => {
    const database = open(':memory:');
    return {
      database,
      store: storeOn(database),
      escalations: createSqliteEscalationStore(database, { answersMax: max, outboxOpsMax: 1 }),
    };
  };

  it('are settled once: a second answer changes nothing', () => {
    const { escalations } = records();
    escalations.open(record('a'));
    escalations.settle(sampleAnswer('a'), 'in-time');
    const settled = escalations.get('a');
    expect(escalations.settle(sampleAnswer('a'), 'late')).toBe(false);
    expect(escalations.settle(sampleAnswer('a stranger'), 'late')).toBe(false);
    expect(escalations.get('a')).toEqual(settled);
    expect(escalations.get('app-a')).toEqual(settled);
    expect(escalations.lateAfter(0, 10)).toEqual([]);
    expect(escalations.lastSettled()).toBe(1);
  });

  it('list late answers in the order in which they came', () => {
    const { escalations } = records();
    for (const id of ['a', 'b', 'c']) escalations.open(record(id));
    for (const id of ['c', 'a', 'b']) escalations.settle(sampleAnswer(id), 'late');
    const ids = (after: number) => escalations.lateAfter(after, 10).map((r) => r.requestId);
    expect(ids(0)).toEqual(['c', 'a', 'b']);
    expect(ids(2)).toEqual(['b']);
  });

  it('are bounded: the oldest go first, and stream ids are never used again', () => {
    const { escalations } = records(2);
    for (const id of ['a', 'b', 'c']) {
      escalations.open(record(id));
      escalations.settle(sampleAnswer(id), 'late');
    }
    expect(escalations.get('a')).toBeUndefined();
    expect(escalations.lateAfter(0, 10).map((r) => r.settled)).toEqual([2, 3]);
  });

  it('that are open outlive those that are answered, and are bounded too', () => {
    const { escalations } = records(2);
    escalations.open(record('open'));
    for (const id of ['a', 'b', 'c']) {
      escalations.open(record(id));
      escalations.settle(sampleAnswer(id), 'late');
    }
    expect(escalations.get('open')).toBeDefined();
    for (const id of ['d', 'e']) escalations.open(record(id));
    expect(escalations.get('open')).toBeUndefined();
  });

  it('are undone together with the outbox when either fails', () => {
    const { store, escalations } = records();
    store.append(sampleEscalation('a'), 1, () => escalations.open(record('a')));
    const reply = sampleReply({
      epoch: 'epoch-1',
      acks: sampleAcks(1),
      ops: [{ position: 1, atMs: 1, body: sampleAnswer('a') }],
    });
    const crash = () =>
      store.apply(reply, (op) => {
        if (op.body.kind === 'answer') escalations.settle(op.body, 'late');
        throw new Error('crash');
      });
    expect(crash).toThrow('crash');
    expect(escalations.get('a')?.delivery).toBe('open');
    expect(store.position()).toMatchObject({ ops: 1, cursor: 0 });
  });
});
