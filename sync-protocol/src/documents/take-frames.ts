// Takes members' frames from the store, where they have been durable since their Exchange was acknowledged, to the hub.
// What a crash leaves is taken again: integrating is idempotent. What the hub throws at is put aside, for it would be the
// first again after every restart.

import { type Clock, type Log, messageOf, ok, type Result, type Timer } from '@skerry/shared';
import type { CoordinatorStore } from '../ports.ts';
import type { Hub } from './hub.ts';

export interface FrameTaker {
  /** Frames have been accepted. */
  arrived(): void;
  /** Resolves when nothing is under way. */
  close(): Promise<void>;
}

const opsPerRead = 64;
const retryMs = 5_000;
const reasonCharsMax = 256;

/** Begins with what the last start left. */
export function createFrameTaker({
  hub,
  store,
  clock,
  log,
}: {
  readonly hub: Pick<Hub, 'receive' | 'idle'>;
  readonly store: Pick<CoordinatorStore, 'openOps' | 'closeOps' | 'quarantineOp'>;
  readonly clock: Clock;
  readonly log: Log;
}): FrameTaker {
  let closed = false;
  let more = false;
  let working: Promise<void> | undefined;
  let timer: Timer | undefined;

  /** Whether there may be others. Fails where the store does: what it has not let go of is taken again. */
  const takeSome = async (): Promise<Result<boolean>> => {
    const ops = await store.openOps('document-change', opsPerRead);
    if (!ops.ok) return ops;
    const taken: number[] = [];
    let aside: Result<void> = ok(undefined);
    for (const { id, device, body } of ops.value) {
      if (closed) break;
      const refusal =
        body.kind === 'document-change'
          ? await hub.receive(device, body).then(() => undefined, messageOf)
          : `a ${body.kind} among the frames`;
      if (refusal === undefined) {
        taken.push(id);
        continue;
      }
      log.error({ device, id, reason: refusal }, 'a document frame is put aside');
      const done = await store.quarantineOp(id, refusal.slice(0, reasonCharsMax), clock.nowMs());
      if (!done.ok) aside = done; // [QUA4] Those behind it do not wait for it.
    }
    const done = await store.closeOps(taken);
    if (!done.ok) return done;
    return aside.ok ? ok(ops.value.length === opsPerRead) : aside;
  };

  const retry = (fields: { code?: string; reason: string }): void => {
    log.error(fields, 'document frames cannot be taken');
    timer?.cancel();
    timer = closed ? undefined : clock.after(retryMs, wake);
  };

  const work = async (): Promise<void> => {
    do {
      more = false;
      const some = await takeSome();
      if (!some.ok) return retry({ code: some.error.code, reason: some.error.message });
      more ||= some.value;
    } while (more && !closed);
  };
  const wake = (): void => {
    more = true;
    if (closed) return;
    working ??= work()
      .catch((thrown) => retry({ reason: messageOf(thrown) }))
      .finally(() => {
        working = undefined;
        if (more) wake(); // It came when this one was done looking.
      });
  };

  wake();
  return {
    arrived: wake,
    async close() {
      closed = true;
      timer?.cancel();
      await working;
      await hub.idle();
    },
  };
}
