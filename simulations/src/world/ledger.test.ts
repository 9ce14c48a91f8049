// Each thing that must never happen, made to happen: the ledger has to say so.

import { noDrops, type SyncPosition } from '@skerry/sync-protocol';
import { sampleAnswer, sampleUpOp } from '@skerry/sync-protocol/testing';
import { describe, expect, it } from 'vitest';
import { createLedger } from './ledger.ts';

const bounds = { outboxOpsMax: 2, outboxBytesMax: 1_000 };

function start() {
  const ledger = createLedger(bounds);
  const check = (more: Partial<SyncPosition>, outboxSeqs: readonly number[] = []) =>
    ledger.check('device-1', {
      position: {
        device: 'device-1',
        epoch: 'e',
        boot: 1,
        assigned: { urgent: 0, normal: 0, bulk: 0 },
        drops: noDrops,
        quarantined: 0,
        cursor: 0,
        ops: 0,
        bytes: 0,
        ...more,
      },
      outboxSeqs: new Set(outboxSeqs),
    })?.rule;
  return { ledger, check };
}

const answer = (position: number, requestId: string) => ({
  position,
  atMs: 0,
  body: sampleAnswer(requestId),
});

describe('ledger', () => {
  it('[NEV1] an op is in the outbox or durable at the coordinator', () => {
    const { ledger, check } = start();
    ledger.appended('device-1', 1, 'r1');
    expect(check({}, [1])).toBeUndefined();
    ledger.accepted('device-1', 'e', [sampleUpOp(1)]);
    expect(check({}, [])).toBeUndefined();
    ledger.appended('device-1', 2, 'r2');
    expect(check({}, [])).toBe('NEV1');
  });

  it('[NEV2] an op is new to the coordinator once', () => {
    const { ledger, check } = start();
    ledger.appended('device-1', 1, 'r1');
    ledger.accepted('device-1', 'e', [sampleUpOp(1)]);
    expect(check({})).toBeUndefined();
    ledger.accepted('device-1', 'e', [sampleUpOp(1)]);
    expect(check({})).toBe('NEV2');
  });

  it('[NEV3] an answer is applied once, and to a question that was asked', () => {
    const { ledger, check } = start();
    ledger.appended('device-1', 1, 'r1');
    ledger.applied('device-1', [answer(1, 'r1')]);
    expect(check({}, [1])).toBeUndefined();
    ledger.applied('device-1', [answer(2, 'r1')]);
    expect(check({}, [1])).toBe('NEV3');

    const other = start();
    other.ledger.applied('device-1', [answer(1, 'never asked')]);
    expect(other.check({})).toBe('NEV3');
  });

  it('[NEV4] an outbox keeps within its bounds', () => {
    expect(start().check({ ops: 2, bytes: 1_000 })).toBeUndefined();
    expect(start().check({ ops: 3 })).toBe('NEV4');
    expect(start().check({ bytes: 1_001 })).toBe('NEV4');
  });

  it('[NEV5] a cursor never moves back, and an epoch stays', () => {
    const { check } = start();
    expect(check({ cursor: 5 })).toBeUndefined();
    expect(check({ cursor: 4 })).toBe('NEV5');
    const other = start();
    expect(other.check({})).toBeUndefined();
    expect(other.check({ epoch: 'another' })).toBe('NEV5');
  });
});
