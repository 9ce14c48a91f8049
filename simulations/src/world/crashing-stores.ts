// Stores whose process may die right before or right after any call, and in the middle of a transaction's effect.
// What was committed is written into the ledger, also when the process did not live to learn of it.

import { err, failure, type Result } from '@skerry/shared';
import type { CoordinatorStore, DeviceStore, DownOp } from '@skerry/sync-protocol';
import type { DiskRecord, Ledger } from './ledger.ts';
import type { Process } from './process.ts';

/** Decides, at each point where it could happen, whether the process dies; `point` says where, for the trace. */
export type CrashPlan = (point: string) => boolean;

export interface DeviceStoreWorld {
  readonly dies: CrashPlan;
  readonly ledger: Ledger;
  readonly record: DiskRecord;
  /** Whether the disk takes no more just now. */
  readonly isFull: () => boolean;
}

const diskFull = failure('storage_failed', 'the simulated disk is full');

export function crashingDeviceStore(
  store: DeviceStore,
  process: Process,
  { dies, ledger, record, isFull }: DeviceStoreWorld,
): DeviceStore {
  const { device } = store.position();
  const perhapsCrash = (point: string): void => {
    if (dies(`${device} ${point}`)) process.crash();
  };
  const between = <T>(call: string, action: () => T): T => {
    perhapsCrash(`before ${call}`);
    const result = action();
    perhapsCrash(`after ${call}`);
    return result;
  };
  return {
    position: () => between('position', () => store.position()),
    unacknowledged: (...query) => between('unacknowledged', () => store.unacknowledged(...query)),
    expire: (nowMs) => between('expire', () => store.expire(nowMs)),
    withdraw: (...args) => between('withdraw', () => store.withdraw(...args)),
    renew: () => between('renew', () => store.renew()),
    append: (body, atMs, effect) =>
      between('append', () => {
        if (isFull()) return err(diskFull);
        const appended = store.append(body, atMs, () => {
          effect?.();
          perhapsCrash('inside append');
        });
        if (appended.ok) ledger.appended(device, body);
        return appended;
      }),
    apply: (reply, effect) =>
      between('apply', () => {
        if (isFull()) return err(diskFull);
        const effects: DownOp[] = [];
        const applied = store.apply(reply, (op) => {
          const done = effect(op);
          if (done === undefined || done.ok) effects.push(op);
          perhapsCrash('inside apply');
          return done;
        });
        if (applied.ok) ledger.applied(device, record, effects);
        return applied;
      }),
  };
}

/** A dead process learns nothing more: its calls never return. */
const never = <T>(): Promise<T> => new Promise(() => undefined);

export function crashingCoordinatorStore(
  store: CoordinatorStore,
  process: Process,
  dies: CrashPlan,
  ledger: Ledger,
): CoordinatorStore {
  const between = async <T>(call: string, action: () => Promise<Result<T>>): Promise<Result<T>> => {
    if (process.alive() && dies(`coordinator before ${call}`)) process.kill();
    if (!process.alive()) return never();
    const result = await action();
    if (process.alive() && dies(`coordinator after ${call}`)) process.kill();
    return process.alive() ? result : never();
  };
  return {
    accept: (exchange, nowMs) =>
      between('accept', async () => {
        const accepted = await store.accept(exchange, nowMs);
        if (accepted.ok) ledger.accepted(exchange.device, accepted.value.fresh);
        return accepted;
      }),
    downOpsAfter: (...query) => between('downOpsAfter', () => store.downOpsAfter(...query)),
    appendDown: (...op) => between('appendDown', () => store.appendDown(...op)),
    append: (...op) => between('append', () => store.append(...op)),
    openOps: (...query) => between('openOps', () => store.openOps(...query)),
    closeOps: (ids) => between('closeOps', () => store.closeOps(ids)),
    quarantineOp: (...op) => between('quarantineOp', () => store.quarantineOp(...op)),
    quarantined: () => between('quarantined', () => store.quarantined()),
    suspicions: (devices) => between('suspicions', () => store.suspicions(devices)),
    openEscalations: (opsMax) => between('openEscalations', () => store.openEscalations(opsMax)),
  };
}
