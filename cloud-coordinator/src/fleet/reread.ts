// What is asked at each request and written by whatever process: held in memory, and read again from time to time.

import { type Clock, type Log, ok, type Result, type Timer } from '@skerry/shared';

/**
 * Reads at once and then every `everyMs`, until the function that it gives is called. Fails where it cannot be read at
 * first; later what is held stays, and `what` is said not to be readable.
 */
export async function reread(
  everyMs: number,
  read: () => Promise<Result<void>>,
  what: string,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<Result<() => void>> {
  let timer: Timer | undefined;
  let closed = false;
  const again = (): void => {
    if (closed) return;
    timer = clock.after(everyMs, () => {
      void read().then((done) => {
        if (!done.ok) log.error({ code: done.error.code }, `cannot read the ${what}`);
        again();
      });
    });
  };
  const first = await read();
  if (!first.ok) return first;
  again();
  return ok(() => {
    closed = true;
    timer?.cancel();
  });
}
