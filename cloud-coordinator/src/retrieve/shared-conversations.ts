// Conversations that devices share: their turns are taken out of the queue and kept for the devices they are shared with,
// until they are forgotten or too old. What is said in them goes into no log, and is shown to no operator.

import { type Clock, err, failure, type Log, messageOf, ok, type Result } from '@skerry/shared';
import type { CoordinatorStore, Forget, OpenOp, WireTurn } from '@skerry/sync-protocol';
import { createWakeLoop } from '../event-log/wake-loop.ts';

/** Among the conversations of a scope: a device's own, or a site's. */
export type ConversationName = Pick<WireTurn, 'reader' | 'conversation'>;

/** At rest. What is added twice, or after it was forgotten, changes nothing; each call is one transaction. */
export interface ConversationTable {
  /** `device`: who has sent it, and has a copy. Keeps within its bounds: the oldest go. False: it was forgotten before. */
  add(scope: string, device: string, turn: WireTurn, nowMs: number): Promise<Result<boolean>>;
  /** What is gone does not come back. Returns who has copies. */
  forget(scope: string, forget: Forget, nowMs: number): Promise<Result<readonly string[]>>;
  /** The newest so many, oldest first; `device` has copies from now on. */
  turns(
    scope: string,
    name: ConversationName,
    count: number,
    device: string,
    nowMs: number,
  ): Promise<Result<readonly WireTurn[]>>;
  /**
   * What was said, and what is known to be gone since, before then: nothing that old is taken any more.
   * @param copiesBeforeMs who has had copies since no later than then is forgotten
   */
  expire(beforeMs: number, copiesBeforeMs: number): Promise<Result<void>>;
  /** No byte is left of what is gone. Fails with `storage_failed` where somebody who reads the file keeps them. */
  flush(): Promise<Result<void>>;
  count(): Promise<Result<number>>;
}

export interface SharedConversationsPorts {
  readonly store: Pick<CoordinatorStore, 'openOps' | 'closeOps' | 'append' | 'quarantineOp'>;
  readonly table: ConversationTable;
  /** By certificate, where devices have one; undefined: it is at none. */
  readonly siteOf: (device: string) => Promise<Result<string | undefined>>;
  readonly retentionMs: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Something is to be forgotten there. */
  readonly news: (device: string) => void;
}

export interface SharedConversations {
  /** Turns, or the word to forget some, have come. */
  arrived(): void;
  /** What that device may read of it. Fails with `permission_denied` where it is at no site. */
  turnsFor(
    device: string,
    share: WireTurn['share'],
    name: ConversationName,
  ): Promise<Result<readonly WireTurn[]>>;
  close(): Promise<void>;
}

const opsPerRead = 64;
const turnsShownMax = 1_000;
/** However little comes: another coordinator may have died with some, and what is too old goes. */
const lookEveryMs = 30_000;
/** What is too old is shown no more at once, and goes within: */
const expireEveryMs = 600_000;
/** A device may keep its copies for a year, and is to be told all the while. */
const copiesKeptMs = 400 * 86_400_000;

export function createSharedConversations(ports: SharedConversationsPorts): SharedConversations {
  const { store, table, siteOf, retentionMs, clock, log, news } = ports;
  let expireAtMs = 0;
  /** Bytes of what is gone may be left. */
  let isLeft = true;

  const scopeOf = async (
    device: string,
    share: WireTurn['share'],
  ): Promise<Result<string | undefined>> => {
    if (share === 'device') return ok(`device/${device}`);
    const site = await siteOf(device);
    return site.ok ? ok(site.value && `site/${site.value}`) : site;
  };

  const take = async ({ device, body }: OpenOp): Promise<Result<void>> => {
    if (body.kind !== 'turn' && body.kind !== 'forget') return ok(undefined);
    const scope = await scopeOf(device, body.share);
    if (!scope.ok) return scope;
    if (scope.value === undefined) {
      log.warn({ device }, `a ${body.kind} of a device that is at no site is left out`);
      return ok(undefined);
    }
    const nowMs = clock.nowMs();
    if (body.kind === 'turn') {
      // One of a clock that is as far ahead would be kept until then.
      if (Math.abs(nowMs - body.atMs) >= retentionMs) return ok(undefined);
      const added = await table.add(scope.value, device, body, nowMs);
      if (!added.ok) return added;
      isLeft ||= !added.value;
      return ok(undefined);
    }
    const copies = await table.forget(scope.value, body, nowMs);
    if (!copies.ok) return copies;
    isLeft = true;
    for (const other of copies.value.filter((each) => each !== device)) {
      const told = await store.append(other, body, nowMs);
      if (!told.ok) return told;
      news(other);
    }
    return ok(undefined);
  };

  /** [QUA4] A bug would be met after every restart. A turn is left out: in a quarantine its words would outlive it. */
  const putAside = async ({ id, device, body }: OpenOp, reason: string): Promise<void> => {
    if (body.kind === 'turn')
      log.error({ device }, 'a turn is left out, for a bug stumbles over it');
    else await store.quarantineOp(id, reason, clock.nowMs());
  };

  /** Of one kind, all there are. The order of the kinds says nothing: turns are a set, and so is what is gone. */
  const takeAll = async (kind: 'turn' | 'forget'): Promise<Result<void>> => {
    for (;;) {
      const open = await store.openOps(kind, opsPerRead);
      if (!open.ok) return open;
      for (const op of open.value) {
        if (loop.closing.aborted) return ok(undefined);
        const taken = await take(op).catch((thrown) => err(failure('internal', messageOf(thrown))));
        if (!taken.ok && taken.error.code === 'internal') await putAside(op, taken.error.message);
        else if (!taken.ok) return taken;
        const done = await store.closeOps([op.id]);
        if (!done.ok) return done;
      }
      if (open.value.length < opsPerRead) return ok(undefined);
    }
  };

  const turn = async (): Promise<void> => {
    for (const kind of ['turn', 'forget'] as const) {
      const taken = await takeAll(kind);
      if (!taken.ok) log.error({ code: taken.error.code }, `shared turns wait: ${kind}`);
    }
    await expire();
    if (!isLeft) return;
    const flushed = await table.flush();
    isLeft = !flushed.ok;
    if (!flushed.ok) log.warn({ code: flushed.error.code }, 'what is gone is still in a log');
  };

  const expire = async (): Promise<void> => {
    if (clock.monotonicMs() < expireAtMs) return;
    const nowMs = clock.nowMs();
    const expired = await table.expire(nowMs - retentionMs, nowMs - copiesKeptMs);
    if (expired.ok) expireAtMs = clock.monotonicMs() + expireEveryMs;
    else log.error({ code: expired.error.code }, 'shared turns are not expired');
  };

  const loop = createWakeLoop('shared turns', turn, () => lookEveryMs, { clock, log });
  loop.wake();
  return {
    arrived: loop.wake,
    async turnsFor(device, share, name) {
      const scope = await scopeOf(device, share);
      if (!scope.ok) return scope;
      if (scope.value === undefined)
        return err(failure('permission_denied', `${device} is at no site`));
      const nowMs = clock.nowMs();
      const turns = await table.turns(scope.value, name, turnsShownMax, device, nowMs);
      return turns.ok ? ok(turns.value.filter(({ atMs }) => atMs > nowMs - retentionMs)) : turns;
    },
    close: loop.close,
  };
}
