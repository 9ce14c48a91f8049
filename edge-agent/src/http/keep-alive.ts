// A comment now and then keeps proxies from closing a quiet stream, and finds out who has gone.

import type { Clock } from '@skerry/shared';

const heartbeatMs = 15_000;

export function keepAlive(clock: Clock, signal: AbortSignal, beat: () => Promise<unknown>): void {
  const again = (): void => {
    const timer = clock.after(heartbeatMs, () => {
      signal.removeEventListener('abort', timer.cancel);
      void beat();
      again();
    });
    signal.addEventListener('abort', timer.cancel, { once: true });
  };
  if (!signal.aborted) again();
}
