// Transfers and held ops over a wire that obeys the test. The wires themselves are tested in sync-protocol and end to end.

import { assert, createRandom, failure, ok, type Result, silentLog } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import type { BlobRef, BlobWire } from '@skerry/sync-protocol/blobs';
import { sampleBlob, sampleEscalation } from '@skerry/sync-protocol/testing';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { openDatabase } from '../adapters/sqlite-database.ts';
import { createSqliteHeldOps } from '../adapters/sqlite-held-ops.ts';
import { createTransfers } from './transfers.ts';
import { createUploadFirst } from './upload-first.ts';

const refs = [1, 2, 3, 4].map((seed) => sampleBlob(10, seed).ref) as [
  BlobRef,
  BlobRef,
  BlobRef,
  BlobRef,
];

function world() {
  const calls: { digest: string; end: (result: Result<void>) => void }[] = [];
  const move: BlobWire['send'] = ({ digest }, _onMoved, signal) =>
    new Promise((resolve) => {
      calls.push({ digest, end: resolve });
      signal.addEventListener('abort', () => resolve(ok(undefined)));
    });
  const wire: BlobWire = { name: 'test', fetch: move, send: move };
  const ports = { wires: [wire], clock: systemClock, random: createRandom(1), log: silentLog };
  const transfers = createTransfers(ports, { movingMax: 2, transfersMax: 3 });
  onTestFinished(() => transfers.close());
  return { transfers, calls };
}

describe('transfers', () => {
  it('[TRF3] whoever asks for the same joins it; two move, the third waits, the fourth is refused', async () => {
    const { transfers, calls } = world();
    const first = transfers.fetch(refs[0]);
    expect(transfers.fetch(refs[0])).toBe(first);
    void transfers.fetch(refs[1]);
    void transfers.fetch(refs[2]);
    expect(calls).toHaveLength(2);
    expect(await transfers.fetch(refs[3])).toMatchObject({ error: { code: 'overloaded' } });
    expect(transfers.list().map(({ phase }) => phase)).toEqual(['moving', 'moving', 'queued']);
    calls[0]?.end(ok(undefined));
    expect(await first).toEqual(ok(undefined));
    expect(calls.map(({ digest }) => digest)).toEqual(refs.slice(0, 3).map(({ digest }) => digest));
  });

  it('shows why one waits, goes on when the link comes, and ends when it is closed', async () => {
    const { transfers, calls } = world();
    const sent = transfers.send(refs[0]);
    calls[0]?.end({ ok: false, error: failure('overloaded', 'busy', { retryAfterMs: 60_000 }) });
    await vi.waitFor(() => expect(transfers.list()[0]?.phase).toBe('waiting'));
    expect(transfers.list()[0]?.reason).toMatchObject({ code: 'overloaded', message: 'busy' });
    transfers.online();
    expect(calls).toHaveLength(2);
    await transfers.close();
    expect(await sent).toMatchObject({ error: { code: 'unavailable' } });
  });
});

describe('an op that names a blob', () => {
  const body = sampleEscalation('r1');
  const life = (database: Parameters<typeof createSqliteHeldOps>[0]) => {
    const { transfers, calls } = world();
    const appended: string[] = [];
    const heldOps = createSqliteHeldOps(database, 2);
    const uploadFirst = createUploadFirst({
      store: {
        append(op, _atMs, effect) {
          effect?.();
          if ('requestId' in op) appended.push(op.requestId);
          return ok(1);
        },
      },
      heldOps,
      transfers,
      log: silentLog,
      onAppended: () => {},
    });
    return { uploadFirst, calls, appended, transfers };
  };

  it('[UPF1] is held until its blob is confirmed, over a restart, and then appended once', async () => {
    const database = openDatabase(':memory:');
    assert(database.ok, 'the database opens');
    onTestFinished(() => void database.value.close());
    const first = life(database.value);
    expect(first.uploadFirst.append(body, refs[0], 5)).toEqual(ok(undefined));
    expect(first.uploadFirst.isReferenced(refs[0].digest)).toBe(true);
    await first.transfers.close(); // The process ends before the blob is there.
    expect(first.appended).toEqual([]);

    const second = life(database.value);
    expect(second.appended).toEqual([]);
    second.calls[0]?.end(ok(undefined));
    await vi.waitFor(() => expect(second.appended).toEqual(['r1']));
    expect(second.uploadFirst.isReferenced(refs[0].digest)).toBe(false);
    expect(life(database.value).calls).toEqual([]); // Nothing is left to do.
  });

  it('[UPF1] is refused when too many wait', () => {
    const database = openDatabase(':memory:');
    assert(database.ok, 'the database opens');
    onTestFinished(() => void database.value.close());
    const { uploadFirst } = life(database.value);
    for (const ref of [refs[0], refs[1]]) expect(uploadFirst.append(body, ref, 5).ok).toBe(true);
    expect(uploadFirst.append(body, refs[2], 5)).toMatchObject({ error: { code: 'overloaded' } });
  });
});
