// The scrub, once a day for as long as a process runs. The next one is due a day after the one before it has ended.

import type { Clock, Log, Timer } from '@skerry/shared';
import type { BlobStore } from './blob-store.ts';
import { type CreateHash, scrubBlobs } from './scrub.ts';

const scrubEveryMs = 24 * 3_600_000;

/** Returns how to stop it. What was damaged, or that it failed, is logged. */
export function scrubDaily(
  store: BlobStore,
  createHash: CreateHash,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): () => void {
  const stopping = new AbortController();
  let timer: Timer;
  const scrub = async (): Promise<void> => {
    const damaged = await scrubBlobs(store, createHash, stopping.signal);
    if (!damaged.ok) log.error({ code: damaged.error.code }, `scrub: ${damaged.error.message}`);
    else if (damaged.value.length > 0)
      log.error(
        { digests: damaged.value.join(' ') },
        'blobs were damaged at rest, and are removed',
      );
    if (!stopping.signal.aborted) arm();
  };
  const arm = (): void => {
    timer = clock.after(scrubEveryMs, () => void scrub());
  };
  arm();
  return () => {
    stopping.abort();
    timer.cancel();
  };
}
