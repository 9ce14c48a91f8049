// What every CoordinatorStore must do, whatever its database. An adapter's whole test is one call.

import { unwrap } from '@skerry/shared/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { opBytes, opsBytesMax } from '../codec.ts';
import type { Exchange } from '../messages.ts';
import { laneOf } from '../op-kinds.ts';
import type { CoordinatorStore } from '../ports.ts';
import { openOpsContract } from './open-ops-contract.ts';
import {
  sampleAnswer,
  sampleDocumentChange,
  sampleEscalation,
  sampleExchange,
  sampleForget,
  sampleLearnReply,
  sampleQuestion,
  sampleTelemetry,
  sampleTurn,
  sampleUpdateReport,
  sampleUpOp,
} from './samples.ts';

/** One empty database. `open` after `close` is a restart. */
export interface CoordinatorDisk {
  open(): Promise<CoordinatorStore>;
  close(): Promise<void>;
}

export function coordinatorStoreContract(
  name: string,
  createDisk: () => CoordinatorDisk | Promise<CoordinatorDisk>,
): void {
  const fresh = async () => {
    const disk = await createDisk();
    onTestFinished(() => disk.close());
    const reopen = async () => {
      await disk.close();
      return drive(await disk.open());
    };
    return { ...drive(await disk.open()), reopen };
  };

  openOpsContract(name, createDisk);

  describe(`${name}: a CoordinatorStore`, () => {
    it('[ACC1] stores each op once and reports it as fresh once, also over a restart', async () => {
      const { accept, reopen } = await fresh();
      expect(await accept({ ops: ops(1, 2) })).toEqual({ fresh: [1, 2], ack: 2 });
      expect(await accept({ ops: ops(1, 2) })).toEqual({ fresh: [], ack: 2 });
      expect(await accept({ ops: ops(2, 3) })).toEqual({ fresh: [3], ack: 3 });
      const again = await reopen();
      expect(await again.accept({ ops: ops(1, 2, 3, 4) })).toEqual({ fresh: [4], ack: 4 });
    });

    it('[ACC9] keeps each kind for its consumer: escalations apart, telemetry not at all', async () => {
      const disk = await createDisk();
      onTestFinished(() => disk.close());
      const store = await disk.open();
      const bodies = [
        sampleEscalation('e-1'),
        sampleDocumentChange(),
        sampleUpdateReport(),
        sampleLearnReply(),
        sampleQuestion('q-1'),
        sampleTurn(),
        sampleForget(),
        sampleTelemetry(),
      ];
      const seqs = { urgent: 0, normal: 0, bulk: 0 };
      const all = bodies.map((body) => ({ seq: ++seqs[laneOf(body)], atMs: 0, body }));
      unwrap(await store.accept(sampleExchange({ assigned: seqs, ops: all }), 1));
      const answered = ['document-change', 'update-report', 'learn-reply', 'question'] as const;
      for (const kind of [...answered, 'turn', 'forget'] as const)
        expect(unwrap(await store.openOps(kind, 9))).toMatchObject([{ body: { kind } }]);
      expect(unwrap(await store.openEscalations(9))).toMatchObject([
        { body: { requestId: 'e-1' } },
      ]);
      expect(unwrap(await store.openOps('telemetry', 9))).toEqual([]);
      expect(unwrap(await store.quarantined())).toBe(0);
    });

    it('[ACC2] counts by device and epoch, and an ack never falls', async () => {
      const { accept } = await fresh();
      expect(await accept({ ops: ops(1, 2, 3) })).toMatchObject({ ack: 3 });
      expect(await accept({ ops: ops(1) })).toMatchObject({ ack: 3 });
      expect(await accept({})).toMatchObject({ ack: 3 });
      expect(await accept({ epoch: 'epoch-2', ops: ops(1) })).toEqual({ fresh: [1], ack: 1 });
      expect(await accept({ device: 'device-2' })).toEqual({ fresh: [], ack: 0 });
    });

    it('[ACC3] forgets what the device has applied; an older cursor is harmless', async () => {
      const { accept, answer, downOps } = await fresh();
      await accept({ ops: ops(1, 2, 3) });
      for (const id of ['r1', 'r2', 'r3']) await answer(id);
      await accept({ cursor: 2 });
      expect((await downOps(0)).positions).toEqual([3]);
      await accept({ cursor: 1 });
      expect((await downOps(0)).positions).toEqual([3]);
    });

    it('[ACC4] never gives a position twice, not after all are forgotten and a restart', async () => {
      const { accept, answer, reopen } = await fresh();
      await accept({ ops: ops(1, 2) });
      expect(await answer('r1')).toBe(1);
      await accept({ cursor: 1 });
      const again = await reopen();
      expect(await again.answer('r2')).toBe(2);
    });

    it('[ACC4] gives positions above a cursor that is ahead of it', async () => {
      const { accept, answer, downOps } = await fresh();
      await accept({ cursor: 40, ops: ops(1) });
      expect(await answer('r1')).toBe(41);
      expect((await downOps(40)).positions).toEqual([41]);
    });

    it('[ACC5] answers an escalation once, over a restart too', async () => {
      const { accept, answer, reopen } = await fresh();
      await accept({ ops: ops(1) });
      expect(await answer('r1')).toBe(1);
      expect(await answer('r1')).toBeUndefined();
      expect(await answer('unknown')).toBeUndefined();
      expect(await answer('r1', 'device-2')).toBeUndefined();
      const again = await reopen();
      expect(await again.answer('r1')).toBeUndefined();
      expect((await again.downOps(0)).positions).toEqual([1]);
    });

    it('[ACC6] hands out the oldest ops within both bounds, and at least one', async () => {
      const { accept, answer, downOps } = await fresh();
      await accept({ ops: ops(1, 2, 3) });
      for (const id of ['r1', 'r2', 'r3']) await answer(id);
      const each = opBytes(sampleAnswer('r1'));
      expect(await downOps(0)).toEqual({ positions: [1, 2, 3], more: false });
      expect(await downOps(0, 2)).toEqual({ positions: [1, 2], more: true });
      expect(await downOps(1, 2)).toEqual({ positions: [2, 3], more: false });
      expect(await downOps(0, 9, 2 * each)).toEqual({ positions: [1, 2], more: true });
      expect(await downOps(0, 9, 1)).toEqual({ positions: [1], more: true });
      expect(await downOps(3)).toEqual({ positions: [], more: false });
    });

    it('[ACC7] finds open escalations again after a restart, oldest first', async () => {
      const { accept, answer, reopen } = await fresh();
      await accept({ ops: ops(1, 2, 3) });
      await accept({ device: 'device-2', ops: [sampleUpOp(9)] });
      await answer('r2');
      const again = await reopen();
      expect(await again.open(9)).toEqual(['device-1/r1', 'device-1/r3', 'device-2/r9']);
      expect(await again.open(2)).toEqual(['device-1/r1', 'device-1/r3']);
    });

    it('[ACC8] gives any op the next position of its device', async () => {
      const { store, accept, answer, downOps } = await fresh();
      await accept({ ops: ops(1) });
      expect(await store.append('device-1', sampleDocumentChange(), 5)).toEqual({
        ok: true,
        value: 1,
      });
      expect(await answer('r1')).toBe(2);
      expect((await downOps(0)).positions).toEqual([1, 2]);
    });

    it('[ACC9] hands out ops of the kind that is asked for; telemetry is not kept', async () => {
      const { store, accept } = await fresh();
      const change = { seq: 1, atMs: 1, body: sampleDocumentChange() };
      const numbers = { seq: 2, atMs: 2, body: sampleTelemetry() };
      expect(await accept({ ops: [change, numbers] })).toMatchObject({ fresh: [1, 2] });
      expect(await store.openOps('telemetry', 9)).toMatchObject({ value: [] });
      expect(unwrap(await store.openOps('document-change', 9))).toHaveLength(1);
    });

    it('[EPO1] knows an op by the epoch it was appended in, whichever epoch sends it', async () => {
      const { accept } = await fresh();
      expect(await accept({ ops: ops(1, 2) })).toMatchObject({ fresh: [1, 2] });
      const again = ops(1, 2, 3).map((op) => ({ ...op, epoch: 'epoch-1' }));
      expect(await accept({ epoch: 'epoch-2', boot: 2, ops: again })).toMatchObject({ fresh: [3] });
      const other = [{ ...sampleUpOp(4), epoch: 'epoch-2' }];
      expect(await accept({ epoch: 'epoch-3', boot: 3, ops: other })).toMatchObject({ fresh: [4] });
    });

    it('[EPO3] takes nothing from an epoch whose seqs are behind its acks', async () => {
      const { store, accept } = await fresh();
      await accept({ ops: ops(1, 2, 3) });
      const assigned = { urgent: 2, normal: 0, bulk: 0 };
      const twin = sampleExchange({ assigned, ops: ops(1, 2) });
      expect(await store.accept(twin, 5)).toMatchObject({
        value: { fresh: [], acks: [], newEpoch: true },
      });
    });

    it('[EPO4] tells of a disk that went back in time, and remembers it, over a restart too', async () => {
      const { store, reopen } = await fresh();
      await store.accept(sampleExchange({ boot: 5 }), 5);
      const { store: again } = await reopen();
      const restored = await again.accept(sampleExchange({ boot: 3, epoch: 'epoch-2' }), 6);
      expect(restored).toMatchObject({ value: { suspicion: 'restored' } });
      await again.accept(sampleExchange({ boot: 2, epoch: 'epoch-3' }), 7);
      await again.accept(sampleExchange({ device: 'device-2' }), 8);
      const { store: later } = await reopen();
      const device = 'device-1';
      expect(unwrap(await later.suspicions([device, 'device-2', 'nobody']))).toEqual([
        { device, kind: 'restored', times: 2, firstMs: 6, lastMs: 7 },
      ]);
    });

    it('[COD6] refuses an answer that could never be sent, and leaves the escalation open', async () => {
      const { store, accept, open } = await fresh();
      await accept({ ops: ops(1) });
      const large = sampleAnswer(
        'r1',
        Array.from({ length: 20_000 }, (_, i) => i / 7),
      );
      expect(await store.appendDown('device-1', large, 5)).toMatchObject({
        error: { code: 'too_large' },
      });
      const nan = sampleAnswer('r1', [Number.NaN]);
      expect(await store.appendDown('device-1', nan, 5)).toMatchObject({
        error: { code: 'invalid_argument' },
      });
      expect(await open(9)).toEqual(['device-1/r1']);
    });
  });
}

const ops = (...seqs: number[]) => seqs.map(sampleUpOp);

/** The store's calls with their results unwrapped and told by their numbers. */
function drive(store: CoordinatorStore) {
  return {
    store,
    async accept(more: Partial<Exchange>) {
      const exchange = sampleExchange(more);
      const { fresh, acks } = unwrap(await store.accept(exchange, 5));
      const urgent = acks.find((ack) => ack.epoch === exchange.epoch && ack.lane === 'urgent');
      return { fresh: fresh.map((op) => op.seq), ack: urgent?.seq ?? 0 };
    },
    async answer(requestId: string, device = 'device-1') {
      return unwrap(await store.appendDown(device, sampleAnswer(requestId), 5));
    },
    async downOps(cursor: number, opsMax = 256, bytesMax = opsBytesMax) {
      const down = unwrap(await store.downOpsAfter('device-1', cursor, opsMax, bytesMax));
      return { positions: down.ops.map((op) => op.position), more: down.more };
    },
    async open(opsMax: number) {
      const found = unwrap(await store.openEscalations(opsMax));
      return found.map(({ device, body }) => `${device}/${body.requestId}`);
    },
  };
}
