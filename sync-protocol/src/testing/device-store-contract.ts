// What every DeviceStore must do, whatever its disk. An adapter's whole test is one call.

import { describe, expect, it, onTestFinished } from 'vitest';
import { opsBytesMax } from '../codec.ts';
import type { DownOp } from '../messages.ts';
import type { OutboxBounds } from '../outbox-plan.ts';
import type { DeviceStore } from '../ports.ts';
import { sampleAcks, sampleAnswer, sampleEscalation, sampleReply } from './samples.ts';

/** One empty disk. `open` after `close` is a restart. */
export interface DeviceDisk {
  open(): DeviceStore;
  close(): void;
}

const bounds: OutboxBounds = { outboxOpsMax: 8, outboxBytesMax: 20_000 };

export function deviceStoreContract(
  name: string,
  createDisk: (bounds: OutboxBounds) => DeviceDisk,
): void {
  const fresh = () => {
    const disk = createDisk(bounds);
    onTestFinished(() => disk.close());
    const reopen = () => {
      disk.close();
      return disk.open();
    };
    return { store: disk.open(), reopen };
  };

  describe(`${name}: a DeviceStore`, () => {
    it('[OUT1] keeps an op and its effect over a restart', () => {
      const { store, reopen } = fresh();
      let effects = 0;
      expect(append(store, 'a', () => effects++)).toBe(1);
      expect(effects).toBe(1);
      const before = store.position();
      expect(before).toMatchObject({ cursor: 0, ops: 1, boot: 1 });
      const again = reopen();
      expect(again.position()).toEqual({ ...before, boot: 2 });
      expect(requests(again)).toEqual(['a']);
      expect(again.unacknowledged(1, 1)[0]).toEqual({
        seq: 1,
        atMs: 5,
        body: sampleEscalation('a'),
      });
    });

    it('[OUT1] keeps neither when the effect throws', () => {
      const { store } = fresh();
      append(store, 'a');
      const before = store.position();
      expect(() => append(store, 'b', boom)).toThrow('boom');
      expect(store.position()).toEqual(before);
      expect(append(store, 'c')).toBe(2);
      expect(requests(store)).toEqual(['a', 'c']);
    });

    it('[OUT2] never gives a seq twice, not after an ack and a restart', () => {
      const { store, reopen } = fresh();
      append(store, 'a');
      append(store, 'b');
      apply(store, { acks: sampleAcks(2) });
      expect(store.position()).toMatchObject({ ops: 0, bytes: 0 });
      const again = reopen();
      expect(append(again, 'c')).toBe(3);
    });

    it('[OUT3] forgets what is acknowledged, and nothing else', () => {
      const { store } = fresh();
      for (const id of ['a', 'b', 'c']) append(store, id);
      const { bytes } = store.position();
      store.unacknowledged(8, opsBytesMax);
      apply(store, { acks: sampleAcks(2) });
      expect(requests(store)).toEqual(['c']);
      expect(store.position()).toMatchObject({ ops: 1, bytes: bytes / 3 });
    });

    it('[OUT4] a stale or repeated ack changes nothing', () => {
      const { store } = fresh();
      for (const id of ['a', 'b', 'c']) append(store, id);
      apply(store, { acks: sampleAcks(2) });
      const before = store.position();
      for (const ack of [2, 1, 0]) apply(store, { acks: sampleAcks(ack) });
      expect(store.position()).toEqual(before);
      expect(requests(store)).toEqual(['c']);
    });

    it('[OUT5] refuses an op too many, and takes one again after an ack', () => {
      const { store } = fresh();
      for (let i = 0; i < bounds.outboxOpsMax; i++) append(store, `r${i}`);
      const before = store.position();
      let effects = 0;
      expect(append(store, 'over', () => effects++)).toBe('overloaded');
      expect(effects).toBe(0);
      expect(store.position()).toEqual(before);
      apply(store, { acks: sampleAcks(1) });
      expect(append(store, 'fits')).toBe(bounds.outboxOpsMax + 1);
    });

    it('[OUT5] refuses bytes too many', () => {
      const { store } = fresh();
      expect(append(store, 'a', undefined, 15_000)).toBe(1);
      expect(append(store, 'b', undefined, 15_000)).toBe('overloaded');
      expect(append(store, 'c', undefined, 100)).toBe(2);
      expect(store.position().bytes).toBeLessThanOrEqual(bounds.outboxBytesMax);
    });

    it('[OUT6] hands out the oldest ops within both bounds, and at least one', () => {
      const { store } = fresh();
      for (const id of ['a', 'b', 'c']) append(store, id, undefined, 1_000);
      const each = store.position().bytes / 3;
      expect(requests(store, 2)).toEqual(['a', 'b']);
      expect(requests(store, 8, 2 * each)).toEqual(['a', 'b']);
      expect(requests(store, 8, 2 * each - 1)).toEqual(['a']);
      expect(requests(store, 8, 1)).toEqual(['a']);
      apply(store, { acks: sampleAcks(3) });
      expect(requests(store)).toEqual([]);
    });

    it('[COD6] refuses an op that could never be sent', () => {
      const { store } = fresh();
      expect(append(store, 'large', undefined, opsBytesMax)).toBe('too_large');
      const body = sampleEscalation('nan');
      const refused = store.append(
        { ...body, local: { ...body.local, confidence: Number.NaN } },
        5,
      );
      expect(refused).toMatchObject({ ok: false, error: { code: 'invalid_argument' } });
      expect(store.position()).toMatchObject({ ops: 0, bytes: 0 });
    });

    it('[INB1] applies ops past the cursor in order, each once', () => {
      const { store } = fresh();
      const seen: number[] = [];
      const effect = (op: DownOp) => void seen.push(op.position);
      expect(apply(store, { ops: [down(1), down(2)] }, effect)).toEqual([1, 2]);
      expect(apply(store, { ops: [down(1), down(2)] }, effect)).toEqual([]);
      expect(apply(store, { ops: [down(2), down(5), down(9)] }, effect)).toEqual([5, 9]);
      expect(seen).toEqual([1, 2, 5, 9]);
    });

    it('[INB2] an effect that throws undoes the ack and the cursor too', () => {
      const { store, reopen } = fresh();
      append(store, 'a');
      const before = store.position();
      const failAtSecond = (op: DownOp) => (op.position === 2 ? boom() : undefined);
      expect(() =>
        apply(store, { acks: sampleAcks(1), ops: [down(1), down(2)] }, failAtSecond),
      ).toThrow('boom');
      expect(store.position()).toEqual(before);
      expect(reopen().position()).toEqual({ ...before, boot: 2 });
    });

    it('[INB3] the cursor never moves back, and survives a restart', () => {
      const { store, reopen } = fresh();
      apply(store, { ops: [down(7)] });
      apply(store, { ops: [down(3)] });
      apply(store, {});
      expect(store.position().cursor).toBe(7);
      expect(reopen().position().cursor).toBe(7);
    });

    it('[INB4] acks of another epoch and ops beyond a gap change nothing', () => {
      const { store } = fresh();
      append(store, 'a');
      const before = store.position();
      expect(
        apply(store, { acks: sampleAcks(9, 'another'), after: 3, ops: [down(4)] }, boom),
      ).toEqual([]);
      expect(store.position()).toEqual(before);
    });
  });
}

const boom = (): never => {
  throw new Error('boom');
};

const down = (position: number): DownOp => ({
  position,
  atMs: position,
  body: sampleAnswer(`r${position}`),
});

/** The seq, or the code of the failure. */
function append(
  store: DeviceStore,
  requestId: string,
  effect?: () => void,
  inputBytes = 16,
): number | string {
  const appended = store.append(sampleEscalation(requestId, inputBytes), 5, effect);
  return appended.ok ? appended.value : appended.error.code;
}

/** The positions applied. */
function apply(
  store: DeviceStore,
  reply: Parameters<typeof sampleReply>[0],
  effect: (op: DownOp) => void = () => undefined,
): readonly number[] {
  const { device, epoch } = store.position();
  const applied = store.apply(sampleReply({ device, epoch, ...reply }), effect);
  if (!applied.ok) throw new Error(applied.error.message);
  return applied.value.map((op) => op.position);
}

function requests(store: DeviceStore, opsMax = 256, bytesMax = opsBytesMax): readonly string[] {
  return store
    .unacknowledged(opsMax, bytesMax)
    .map(({ body }) => (body.kind === 'escalation' ? body.requestId : body.kind));
}
