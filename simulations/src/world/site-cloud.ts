// The coordinator of a simulated site: the production hub, frame taker and exchange handler over disks that outlive it. It
// counts the telemetry that it has accepted, for nothing but its word may take an op from an outbox.

import { type Clock, type Log, type Random, silentLog } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { unwrap } from '@skerry/shared/testing';
import { createExchangeHandler, type ExchangeHandler, serveExchanges } from '@skerry/sync-protocol';
import {
  createFrameTaker,
  createReplica,
  type Hub,
  type HubLimits,
  openHub,
} from '@skerry/sync-protocol/documents';
import {
  createInlineEngine,
  createMemoryCoordinatorDisk,
  createMemoryCoordinatorStore,
  createMemoryDocumentDisk,
  createMemoryDocumentLog,
  createMemoryMemberStore,
  type MemoryPipe,
} from '@skerry/sync-protocol/testing';

export interface SiteCloudPorts {
  readonly pipe: MemoryPipe;
  readonly random: Random;
  readonly clock: Clock;
  /** Of documents, which may be wrong. */
  readonly documentClock: Clock;
  readonly trace: Log;
}

export interface SiteCloud {
  hub(): Hub;
  /** Telemetry that it has, by device. */
  readonly accepted: ReadonlyMap<string, number>;
  restart(): Promise<void>;
}

const author = '0'.repeat(16);

export async function startSiteCloud(
  { pipe, random, clock, documentClock, trace }: SiteCloudPorts,
  hubLimits: Partial<HubLimits>,
): Promise<SiteCloud> {
  const disk = createMemoryCoordinatorDisk();
  const documentDisk = createMemoryDocumentDisk();
  const accepted = new Map<string, number>();

  const start = async (): Promise<{ readonly hub: Hub; readonly handler: ExchangeHandler }> => {
    const store = createMemoryCoordinatorStore(disk);
    const log = createMemoryDocumentLog(documentDisk);
    const replica = createReplica({
      engine: createInlineEngine(),
      log,
      random,
      clock: documentClock,
      author,
      onChanged() {},
    });
    const transport = pipe.listen();
    const opened = await openHub(
      {
        replica,
        log,
        members: createMemoryMemberStore(documentDisk),
        async append(device, body) {
          const appended = await store.append(device, body, clock.nowMs());
          handler.news(device);
          return appended;
        },
        nudge: (device) => handler.news(device),
        digestOf: sha256,
        clock: documentClock,
        trace,
      },
      hubLimits,
    );
    const hub = unwrap(opened);
    const taker = createFrameTaker({ hub, store, clock, log: silentLog });
    const handler: ExchangeHandler = createExchangeHandler({
      store,
      clock,
      onExchange: ({ device, cursor }) => hub.heard(device, cursor),
      onAccepted(device, fresh) {
        const telemetry = fresh.filter(({ body }) => body.kind === 'telemetry').length;
        accepted.set(device, (accepted.get(device) ?? 0) + telemetry);
        taker.arrived();
      },
      hint: (device, message) => void transport.send(device, message),
    });
    serveExchanges(transport, handler, silentLog);
    return { hub, handler };
  };

  let running = await start();
  return {
    hub: () => running.hub,
    accepted,
    async restart() {
      running.handler.close();
      running = await start();
    },
  };
}
