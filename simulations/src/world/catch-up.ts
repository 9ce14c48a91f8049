// Thirty simulated days offline with 10 000 local changes, then the link comes: how many round trips, bytes and seconds
// until the coordinator has them all. Over the production stores' rules, in memory.

import { setImmediate as settled } from 'node:timers/promises';
import { createRandom, silentLog } from '@skerry/shared';
import { createExchangeHandler, createSession, serveExchanges } from '@skerry/sync-protocol';
import {
  createMemoryCoordinatorDisk,
  createMemoryCoordinatorStore,
  createMemoryDeviceDisk,
  createMemoryDeviceStore,
  createMemoryPipe,
  createVirtualClock,
  sampleDocumentChange,
} from '@skerry/sync-protocol/testing';

const daysOffline = 30;
const changes = 10_000;
const frameBytes = 120;
const oneWayMs = 25;
const wellWithinMs = 600_000;

export interface CaughtUp {
  readonly changes: number;
  readonly roundTrips: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
  /** Of the simulated link, at 50 ms a round trip. */
  readonly linkMs: number;
  /** Of this machine. */
  readonly computedMs: number;
}

export async function catchUp(print: (line: string) => void): Promise<CaughtUp> {
  const clock = createVirtualClock();
  const traffic = { up: 0, down: 0, messagesUp: 0 };
  const pipe = createMemoryPipe(clock, (_, direction, bytes) => {
    traffic[direction] += bytes;
    if (direction === 'up') traffic.messagesUp++;
    return [oneWayMs];
  });
  const coordinator = createMemoryCoordinatorDisk();
  const store = createMemoryCoordinatorStore(coordinator);
  const handler = createExchangeHandler({ store, clock, onAccepted() {}, hint() {} });
  serveExchanges(pipe.listen(), handler, silentLog);
  const device = createMemoryDeviceStore(createMemoryDeviceDisk('device-1', 'epoch-1'));
  const transport = pipe.connect('device-1');
  pipe.setLink('device-1', false);
  const session = createSession({
    store: device,
    transport,
    clock,
    random: createRandom(1),
    log: silentLog,
    effect() {},
  });
  const everyMs = (daysOffline * 86_400_000) / changes;
  for (let i = 0; i < changes; i++) {
    clock.runNext(i * everyMs);
    const appended = device.append(sampleDocumentChange(`device/${i}`, frameBytes), clock.nowMs());
    if (!appended.ok) throw new Error(appended.error.message);
    session.notifyAppended();
  }
  const startedAtMs = performance.now();
  const reconnectedAtMs = clock.nowMs();
  pipe.setLink('device-1', true);
  while (device.position().ops > 0 && clock.runNext(reconnectedAtMs + wellWithinMs))
    await settled();
  session.close();
  const caughtUp: CaughtUp = {
    changes: coordinator.openOps.size,
    roundTrips: traffic.messagesUp,
    bytesUp: traffic.up,
    bytesDown: traffic.down,
    linkMs: clock.nowMs() - reconnectedAtMs,
    computedMs: performance.now() - startedAtMs,
  };
  print(
    `${daysOffline} days offline: ${caughtUp.changes} changes caught up in ${caughtUp.roundTrips} round trips, ` +
      `${caughtUp.bytesUp} bytes up and ${caughtUp.bytesDown} down, ${(caughtUp.linkMs / 1000).toFixed(1)} s at ` +
      `${2 * oneWayMs} ms a round trip, ${(caughtUp.computedMs / 1000).toFixed(2)} s of computing`,
  );
  return caughtUp;
}
