// Two pipes as one: the first is preferred; where it has been away for a while the second is opened, and closed again
// when the first comes back.

import type { Clock, Timer } from '@skerry/shared';
import type { DeviceTransport } from '@skerry/sync-protocol';

/** Some failed dials: a broker that restarts comes back sooner. */
const fallBackAfterMs = 10_000;

export function createFallbackTransport(
  preferred: DeviceTransport,
  openOther: () => DeviceTransport,
  clock: Clock,
): DeviceTransport {
  let other: DeviceTransport | undefined;
  let timer: Timer | undefined;
  let closed = false;
  let onMessage: (message: Uint8Array) => void = () => {};
  let onConnection: (connected: boolean) => void = () => {};
  const active = (): DeviceTransport => (preferred.connected() ? preferred : (other ?? preferred));

  const waitForIt = (): void => {
    timer = clock.after(fallBackAfterMs, () => {
      if (closed || other !== undefined || preferred.connected()) return;
      const opened = openOther();
      other = opened;
      opened.onMessage((message) => onMessage(message));
      opened.onConnection((connected) => {
        if (opened === other && !preferred.connected()) onConnection(connected);
      });
      if (opened.connected()) onConnection(true);
    });
  };

  preferred.onMessage((message) => onMessage(message));
  preferred.onConnection((connected) => {
    timer?.cancel();
    if (connected) {
      const left = other;
      other = undefined;
      void left?.close();
    } else waitForIt();
    onConnection(connected);
  });
  if (!preferred.connected()) waitForIt();

  return {
    connected: () => active().connected(),
    send: (message) => active().send(message),
    onMessage(listener) {
      onMessage = listener;
    },
    onConnection(listener) {
      onConnection = listener;
    },
    async close() {
      closed = true;
      timer?.cancel();
      await Promise.all([preferred.close(), other?.close()]);
    },
  };
}
