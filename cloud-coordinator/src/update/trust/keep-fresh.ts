// Signs timestamp and snapshot anew before they run out, for as long as the coordinator runs. Where it cannot, the log
// says so long before devices would refuse: half a timestamp's life is left.

import type { Clock, Log, Timer } from '@skerry/shared';
import type { TrustRepository } from './repository.ts';

/** Far less than half of the timestamp's life. */
const lookEveryMs = 600_000;

export interface Freshness {
  /** Waits for what is under way. */
  close(): Promise<void>;
}

export function keepFresh(
  repository: Pick<TrustRepository, 'refresh'>,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Freshness {
  let timer: Timer | undefined;
  let closed = false;
  const look = async (): Promise<void> => {
    const refreshed = await repository.refresh();
    if (!refreshed.ok)
      log.error({ reason: refreshed.error.message }, 'the update metadata cannot be signed anew');
    else if (refreshed.value === 'signed') log.info({}, 'the update metadata is signed anew');
    if (!closed) timer = clock.after(lookEveryMs, () => (looking = look()));
  };
  let looking = look();
  return {
    async close() {
      closed = true;
      timer?.cancel();
      await looking;
    },
  };
}
