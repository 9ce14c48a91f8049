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
import { createSqliteHeldOps } from './sqlite-held-ops.ts';
import { createSqliteRouteStore } from './sqlite-route-store.ts';

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

  it('[QUA5] an op of the outbox that cannot be read is put aside, and those behind it are sent', () => {
    const path = temporaryPath();
    const database = open(path);
    const store = storeOn(database);
    for (const id of ['r1', 'r2', 'r3', 'r4']) store.append(sampleEscalation(id), 0);
    database.prepare("UPDATE outbox SET body = x'ff00' WHERE seq IN (1, 3)").run();
    for (let i = 0; i < 2; i++)
      expect(store.unacknowledged(2, 1e6)).toMatchObject([{ seq: 2 }, { seq: 4 }]);
    expect(store.position()).toMatchObject({ ops: 2, quarantined: 2 });
    // Beside what the cloud has sent and this device never applies.
    const refused = { code: 'invalid_argument', message: 'never', retryable: false } as const;
    store.apply(sampleReply({ ops: [{ position: 1, atMs: 0, body: sampleAnswer('r2') }] }), () => ({
      ok: false,
      error: refused,
    }));
    expect(store.position()).toMatchObject({ cursor: 1, quarantined: 3 });
    const aside = database.prepare('SELECT kind, position FROM quarantine ORDER BY id').all();
    expect(aside).toEqual([
      { kind: 'escalation', position: null },
      { kind: 'escalation', position: null },
      { kind: 'answer', position: 1 },
    ]);
    database.close();
    expect(storeOn(open(path)).position()).toMatchObject({ ops: 2, quarantined: 3 });
  });

  it('[QUA5] a held op that cannot be read is put aside, and the others wait on', () => {
    const database = open(':memory:');
    storeOn(database);
    const held = createSqliteHeldOps(database, 9);
    const blob = { digest: `sha256:${'a'.repeat(64)}`, bytes: 1 } as const;
    for (const id of ['r1', 'r2']) held.hold({ atMs: 0, blob, body: sampleEscalation(id) });
    database.prepare("UPDATE held_op SET body = x'ff00' WHERE id = 1").run();
    for (let i = 0; i < 2; i++)
      expect(held.list()).toMatchObject([{ id: 2, body: { requestId: 'r2' } }]);
    expect(database.prepare('SELECT kind FROM quarantine').all()).toEqual([{ kind: 'held' }]);
  });

  it('[QUA5] a late answer that cannot be read does not stop those behind it', () => {
    const database = open(':memory:');
    storeOn(database);
    const records = createSqliteEscalationStore(database, { answersMax: 9, outboxOpsMax: 9 });
    const local = { exit: 1, label: 1, confidence: 0.5 };
    for (const requestId of ['r1', 'r2', 'r3']) {
      records.open({ requestId, model: 'm', version: '1', appendedMs: 0, local });
      records.settle(sampleAnswer(requestId), 'late');
    }
    database.prepare("UPDATE escalations SET answer = '{' WHERE request_id = 'r1'").run();
    database.prepare("UPDATE escalations SET local = '' WHERE request_id = 'r2'").run();
    expect(records.get('r1')).toBeUndefined();
    expect(records.lateAfter(0, 1)).toMatchObject([{ requestId: 'r3', local }]);
  });

  it('[QUA5] what was learned and cannot be read is forgotten, alone', () => {
    const database = open(':memory:');
    const { learned } = createSqliteRouteStore(database);
    const entry = { variant: 'v', embedding: Float32Array.of(1), learnedMs: 0, expiresMs: 9 };
    const { outcome: answer } = sampleAnswer('r1');
    if (answer.kind !== 'answered') throw new Error('the sample is an answer');
    for (const requestId of ['r1', 'r2', 'r3']) learned.put({ ...entry, requestId, answer });
    database.prepare("UPDATE learned SET answer = '{' WHERE request_id = 'r1'").run();
    database.prepare("UPDATE learned SET embedding = x'00' WHERE request_id = 'r2'").run();
    expect(learned.load()).toEqual([{ ...entry, requestId: 'r3', answer }]);
    expect(database.prepare('SELECT request_id FROM learned').pluck().all()).toEqual(['r3']);
  });
});
