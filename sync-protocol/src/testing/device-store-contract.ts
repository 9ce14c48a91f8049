// What every DeviceStore must do, whatever its disk. An adapter's whole test is one call.

import { err, failure } from '@skerry/shared';
import { describe, expect, it, onTestFinished } from 'vitest';
import { opsBytesMax } from '../codec.ts';
import type { DownOp, UpBody } from '../messages.ts';
import { opKinds } from '../op-kinds.ts';
import type { OutboxBounds } from '../outbox-plan.ts';
import type { DeviceStore, DownEffect } from '../ports.ts';
import {
  sampleAcks,
  sampleAnswer,
  sampleDocumentChange,
  sampleEscalation,
  sampleReply,
  sampleTelemetry,
  sampleTurn,
} from './samples.ts';

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

    it('[LAN1] numbers each lane by itself, and an ack is one lane’s', () => {
      const { store } = fresh();
      append(store, 'a');
      expect(store.append(sampleDocumentChange(), 5)).toMatchObject({ value: 1 });
      expect(store.append(sampleTelemetry(), 5)).toMatchObject({ value: 1 });
      expect(requests(store)).toEqual(['a', 'document-change', 'telemetry']);
      apply(store, { acks: sampleAcks(1) });
      expect(requests(store)).toEqual(['document-change', 'telemetry']);
      expect(store.position().assigned).toEqual({ urgent: 1, normal: 1, bulk: 1 });
    });

    it('[LAN3] drops what is too old, counts it, and keeps what is not', () => {
      const { store, reopen } = fresh();
      append(store, 'a');
      store.append(sampleTelemetry(), 5);
      const ttlMs = opKinds.telemetry.ttlMs ?? 0;
      expect(store.expire(5 + ttlMs)).toEqual({ ok: true, value: 0 });
      expect(store.expire(6 + ttlMs)).toEqual({ ok: true, value: 1 });
      expect(requests(store)).toEqual(['a']);
      expect(reopen().position().drops.telemetry.expired).toBe(1);
    });

    it('[OUT7] withdraws what is meant, over a restart, and hands out the rest', () => {
      const { store, reopen } = fresh();
      append(store, 'a');
      for (const turn of ['t-1', 't-2', 't-3']) store.append(sampleTurn(turn), 5);
      const before = store.position();
      const isMeant = (body: UpBody) => body.kind === 'turn' && body.turn !== 't-2';
      expect(store.withdraw('turn', isMeant)).toEqual({ ok: true, value: 2 });
      expect(store.withdraw('turn', isMeant)).toEqual({ ok: true, value: 0 });
      expect(store.position()).toMatchObject({ assigned: before.assigned, ops: 2 });
      expect(store.position().bytes).toBeLessThan(before.bytes);
      const again = reopen();
      expect(again.unacknowledged(9, 1e6)).toMatchObject([
        { body: { kind: 'escalation' } },
        { seq: 2, body: { turn: 't-2' } },
      ]);
      expect(again.position()).toMatchObject({ ops: 2, bytes: store.position().bytes });
    });

    it('[LAN4] makes room for what is worth more, counts it, and never the other way', () => {
      const { store, reopen } = fresh();
      for (let i = 0; i < bounds.outboxOpsMax; i++)
        expect(store.append(sampleTelemetry(i), 5).ok).toBe(true);
      expect(store.append(sampleTelemetry(9), 5)).toMatchObject({ error: { code: 'overloaded' } });
      for (let i = 0; i < bounds.outboxOpsMax; i++) expect(append(store, `r${i}`)).toBe(i + 1);
      expect(append(store, 'over')).toBe('overloaded');
      expect(store.append(sampleTelemetry(9), 5)).toMatchObject({ error: { code: 'overloaded' } });
      expect(store.position().drops.telemetry.evicted).toBe(bounds.outboxOpsMax);
      expect(reopen().position()).toMatchObject({
        ops: bounds.outboxOpsMax,
        drops: { telemetry: { evicted: bounds.outboxOpsMax } },
      });
    });

    it('[LAN5] refuses what is over the hour’s budget, and counts it', () => {
      const { store } = fresh();
      const big = Object.fromEntries(
        Array.from({ length: 32 }, (_, i) => [`${i}`.padStart(64, '0'), i / 7]),
      );
      const telemetry = { ...sampleTelemetry(), values: big };
      let refused = 0;
      for (let i = 0; i < 600 && refused === 0; i++) {
        if (!store.append(telemetry, 5).ok) refused++;
        apply(store, { acks: [{ epoch: store.position().epoch, lane: 'bulk', seq: i + 1 }] });
      }
      expect(refused).toBe(1);
      expect(store.position().drops.telemetry.overBudget).toBe(1);
      expect(store.append(telemetry, 5 + 3_600_000).ok).toBe(true);
    });

    it('[EPO3] renews: what is unacknowledged is queued again, in order, by names never used', () => {
      const { store } = fresh();
      for (const id of ['a', 'b', 'c']) append(store, id);
      apply(store, { acks: sampleAcks(1, store.position().epoch) });
      const { epoch } = store.position();
      expect(store.renew().ok).toBe(true);
      expect(store.unacknowledged(9, opsBytesMax).map(({ seq }) => seq)).toEqual([4, 5]);
      expect(requests(store)).toEqual(['b', 'c']);
      apply(store, { acks: sampleAcks(9, epoch === store.position().epoch ? 'other' : epoch) });
      expect(requests(store)).toEqual(['b', 'c']);
      expect(append(store, 'd')).toBe(6);
    });

    it('[QUA1] puts what is refused for good into quarantine, and applies the rest', () => {
      const { store, reopen } = fresh();
      const refused = err(failure('invalid_argument', 'makes no sense'));
      const seen: number[] = [];
      const effect: DownEffect = ({ position }) => {
        if (position === 2) return refused;
        seen.push(position);
      };
      expect(apply(store, { ops: [down(1), down(2), down(3)] }, effect)).toEqual([1, 3]);
      expect(seen).toEqual([1, 3]);
      expect(reopen().position()).toMatchObject({ cursor: 3, quarantined: 1 });
    });

    it('[QUA1] what is refused for now fails the whole', () => {
      const { store } = fresh();
      const { device, epoch } = store.position();
      const reply = sampleReply({ device, epoch, ops: [down(1), down(2)] });
      const busy = err(failure('unavailable', 'not now'));
      expect(store.apply(reply, ({ position }) => (position === 2 ? busy : undefined))).toEqual(
        busy,
      );
      expect(store.position()).toMatchObject({ cursor: 0, quarantined: 0 });
    });

    it('[QUA3] keeps the newest in quarantine, and counts them all', () => {
      const { store } = fresh();
      const refused = err(failure('invalid_argument', 'makes no sense'));
      const ops = Array.from({ length: 150 }, (_, i) => down(i + 1));
      expect(apply(store, { ops }, () => refused)).toEqual([]);
      expect(store.position()).toMatchObject({ cursor: 150, quarantined: 150 });
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
  effect: DownEffect = () => undefined,
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
