// Each thing that must never happen, made to happen: the ledger has to say so.

import { noDrops, type SyncPosition } from '@skerry/sync-protocol';
import { sampleAnswer, sampleEscalation, sampleUpOp } from '@skerry/sync-protocol/testing';
import { describe, expect, it } from 'vitest';
import { createLedger, newRecord } from './ledger.ts';

const bounds = { outboxOpsMax: 2, outboxBytesMax: 1_000 };
const device = 'device-1';

function start() {
  const ledger = createLedger(bounds);
  const record = newRecord();
  const blank: SyncPosition = {
    device,
    epoch: 'e',
    boot: 1,
    assigned: { urgent: 0, normal: 0, bulk: 0 },
    drops: noDrops,
    quarantined: 0,
    cursor: 0,
    ops: 0,
    bytes: 0,
  };
  const check = (more: Partial<SyncPosition>, outbox: readonly string[] = []) =>
    ledger.check(device, { position: { ...blank, ...more }, outbox: new Set(outbox), record })
      ?.rule;
  const append = (id: string) => ledger.appended(device, sampleEscalation(id));
  const answer = (position: number, id: string) =>
    ledger.applied(device, record, [{ position, atMs: 0, body: sampleAnswer(id) }]);
  return { ledger, check, append, answer };
}

describe('ledger', () => {
  it('[NEV1] an op is in the outbox or durable at the coordinator', () => {
    const { ledger, check, append } = start();
    append('r1');
    expect(check({}, ['r1'])).toBeUndefined();
    ledger.accepted(device, [sampleUpOp(1)]);
    expect(check({}, [])).toBeUndefined();
    append('r2');
    expect(check({}, [])).toBe('NEV1');
  });

  it('[NEV2] an op is new to the coordinator once', () => {
    const { ledger, check, append } = start();
    append('r1');
    ledger.accepted(device, [sampleUpOp(1)]);
    expect(check({})).toBeUndefined();
    ledger.accepted(device, [sampleUpOp(1)]);
    expect(check({})).toBe('NEV2');
  });

  it('[NEV3] an answer is applied once, and to a question that was asked', () => {
    const { check, append, answer } = start();
    append('r1');
    answer(1, 'r1');
    expect(check({ cursor: 1 }, ['r1'])).toBeUndefined();
    answer(2, 'r1');
    expect(check({ cursor: 2 }, ['r1'])).toBe('NEV3');

    const other = start();
    other.answer(1, 'never asked');
    expect(other.check({ cursor: 1 })).toBe('NEV3');
  });

  it('[NEV4] an outbox keeps within its bounds', () => {
    expect(start().check({ ops: 2, bytes: 1_000 })).toBeUndefined();
    expect(start().check({ ops: 3 })).toBe('NEV4');
    expect(start().check({ bytes: 1_001 })).toBe('NEV4');
  });

  it('[NEV5] a disk’s cursor never moves back', () => {
    const { check } = start();
    expect(check({ cursor: 5 })).toBeUndefined();
    expect(check({ cursor: 4 })).toBe('NEV5');
  });

  it('owes nothing that was lost with a disk, and all that was not', () => {
    const { ledger, check, append } = start();
    append('r1');
    append('r2');
    ledger.lost(device, new Set(['r2']));
    expect(check({}, ['r2'])).toBeUndefined();
    expect(ledger.owed()).toEqual(['r2']);
  });
});
