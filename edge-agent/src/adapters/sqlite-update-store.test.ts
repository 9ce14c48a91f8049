import { assert, err, failure, ok, type Result } from '@skerry/shared';
import type { DeviceStore } from '@skerry/sync-protocol';
import { sampleUpdateReport } from '@skerry/sync-protocol/testing';
import { expect, it, onTestFinished } from 'vitest';
import { initialUpdate } from '../update/update-record.ts';
import { openDatabase } from './sqlite-database.ts';
import { createSqliteAssignmentInbox, createSqliteUpdateStore } from './sqlite-update-store.ts';

function open() {
  const database = openDatabase(':memory:');
  assert(database.ok, 'the database opens');
  onTestFinished(() => void database.value.close());
  const told: unknown[] = [];
  const outbox: Pick<DeviceStore, 'append'> & { refuses?: Result<never> } = {
    append(body, _atMs, effect) {
      if (outbox.refuses) return outbox.refuses;
      effect?.();
      told.push(body);
      return ok(1);
    },
  };
  const store = createSqliteUpdateStore(database.value, outbox, () => 0);
  return { database: database.value, store, outbox, told };
}

const update = { ...initialUpdate(undefined), quarantined: ['x'] };
const reports = ['assigned', 'fetching', 'verified'] as const;

it('[UPD1] a full outbox does not hold up a transition: its report is owed, and goes first', () => {
  const { store, outbox, told } = open();
  outbox.refuses = err(failure('overloaded', 'full'));
  for (const state of reports.slice(0, 2))
    expect(store.save('m', update, sampleUpdateReport({ state })).ok).toBe(true);
  expect(store.load('m')).toEqual(update);
  expect(store.sendOwed().ok).toBe(true);
  delete outbox.refuses;
  expect(store.save('m', update, sampleUpdateReport({ state: 'verified' })).ok).toBe(true);
  expect(told).toEqual([]);
  expect(store.sendOwed().ok).toBe(true);
  expect(told).toEqual(reports.map((state) => sampleUpdateReport({ state })));
  expect(store.sendOwed().ok && told.length).toBe(3);
});

it('[UPD1] a disk that refuses the report refuses the transition', () => {
  const { store, outbox } = open();
  outbox.refuses = err(failure('storage_failed', 'full'));
  expect(store.save('m', update, sampleUpdateReport())).toMatchObject({ ok: false });
  expect(store.load('m')).toBeUndefined();
});

it('a record that is damaged at rest is none', () => {
  const { store, database } = open();
  store.save('m', update, undefined);
  database.exec(
    `UPDATE update_model SET record = '{'; INSERT INTO update_device VALUES (1, 7, '{', '{')`,
  );
  expect(store.load('m')).toBeUndefined();
  expect(store.kept()).toEqual({ counter: 7, reading: undefined, health: {} });
});

it('of a record that is not what it should be stays what is', () => {
  const { store, database } = open();
  const content = { bundle: 'x', version: '1', variant: 'fp32' };
  const loadOf = (record: unknown) => {
    store.save('m', update, undefined);
    database.prepare('UPDATE update_model SET record = ?').run(JSON.stringify(record));
    return store.load('m');
  };
  const soaking = { kind: 'soaking', goal: 7 };
  expect(loadOf({ ...update, state: soaking, slots: { a: content }, active: 'a' })).toEqual({
    ...update,
    slots: { a: content },
  });
  const confirmed = { ...update, slots: { a: { ...content, confirmed: true } }, active: 'a' };
  expect(loadOf({ ...confirmed, state: soaking })).toEqual(confirmed);
  expect(loadOf({ ...update, active: 'b' })).toEqual(update);
  expect(loadOf({ quarantined: ['x'] })).toEqual(update);
  expect(loadOf({ ...update, quarantined: 7, slots: [], attempts: [{}] })).toEqual({
    ...update,
    quarantined: [],
  });
  for (const none of [null, 7, []]) expect(loadOf(none)).toBeUndefined();
  database.exec(`INSERT INTO update_device VALUES (1, 7, '{"ranMs":"1"}', '{"x":{"requests":1}}')`);
  expect(store.kept()).toEqual({ counter: 7, reading: undefined, health: {} });
});

it('[UPD2] of assignments that wait the newest is kept, and one that came meanwhile stays', () => {
  const inbox = createSqliteAssignmentInbox(open().database);
  inbox.put(Uint8Array.of(1));
  inbox.put(Uint8Array.of(2));
  expect(inbox.remove(Uint8Array.of(1)).ok && inbox.get()?.[0]).toBe(2);
  expect(inbox.remove(Uint8Array.of(2)).ok && inbox.get()).toBeUndefined();
});
