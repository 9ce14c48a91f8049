// Takes members' frames from the store, where they have been durable since their Exchange was acknowledged, to the hub.
// What a crash leaves is taken again: integrating is idempotent.

import type { Clock, Log } from '@skerry/shared';
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

/** Begins with what the last start left. */
export function createFrameTaker({
  hub,
  store,
  clock,
  log,
}: {
  readonly hub: Hub;
  readonly store: Pick<CoordinatorStore, 'openOps' | 'closeOps'>;
  readonly clock: Clock;
  readonly log: Log;
}): FrameTaker {
  let closed = false;
  let more = false;
  let working: Promise<void> | undefined;

  const work = async (): Promise<void> => {
    for (;;) {
      more = false;
      const ops = await store.openOps('document-change', opsPerRead);
      if (!ops.ok) {
        log.error({ code: ops.error.code }, ops.error.message);
        clock.after(retryMs, wake);
        return;
      }
      for (const { device, body } of ops.value) {
        if (closed) return;
        if (body.kind === 'document-change') await hub.receive(device, body);
      }
      const done = await store.closeOps(ops.value.map(({ id }) => id));
      if (!done.ok) log.error({ code: done.error.code }, done.error.message);
      if (!done.ok || (ops.value.length < opsPerRead && !more)) return;
    }
  };
  const wake = (): void => {
    more = true;
    if (closed) return;
    working ??= work().finally(() => {
      working = undefined;
      if (more) wake(); // It came when this one was done looking.
    });
  };

  wake();
  return {
    arrived: wake,
    async close() {
      closed = true;
      await working;
      await hub.idle();
    },
  };
}
