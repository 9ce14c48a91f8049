// A site: a relay and its neighbours, each with a way to the coordinator of its own, and any of the ways may be cut. The
// engine, the pipes and the clock are of this process, so a seed repeats exactly; all else is production code.

import { openDatabase } from '@skerry/edge-agent';
import { type Log, type Random, silentLog } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import type { DeviceStore } from '@skerry/sync-protocol';
import { type HubLimits, siteDocument } from '@skerry/sync-protocol/documents';
import { createMemoryPipe, createVirtualClock } from '@skerry/sync-protocol/testing';
import { startSiteCloud } from './site-cloud.ts';
import { type SiteBug, type SiteDevice, startSiteDevice } from './site-device.ts';

export interface SiteView {
  readonly epoch: number;
  readonly heads: string;
  readonly value: Readonly<Record<string, unknown>>;
}

export interface SiteWorldOptions {
  readonly bug?: SiteBug | undefined;
  /** Of the messages. As many again are doubled. */
  readonly lossShare?: number;
  /** The coordinator's. */
  readonly hubLimits?: Partial<HubLimits>;
}

export type SiteWorld = Awaited<ReturnType<typeof createSiteWorld>>;

const site = 'harbour';
const document = siteDocument(site);

/** The first of `names` is the relay. */
export async function createSiteWorld(
  names: readonly string[],
  random: Random,
  { bug, lossShare = 0, hubLimits = {} }: SiteWorldOptions = {},
) {
  const clock = createVirtualClock(1_000_000);
  let cloudAheadMs = 0;
  const documentClock = { ...clock, nowMs: () => clock.nowMs() + cloudAheadMs };
  /** When an epoch began by age. */
  const agedMs: number[] = [];
  const trace: Log = {
    ...silentLog,
    info(fields) {
      if (fields['why'] === 'age') agedMs.push(clock.nowMs());
    },
  };
  const losses = createLosses(random, lossShare);
  const pipes = {
    cloud: createMemoryPipe(clock, losses.fate),
    site: createMemoryPipe(clock, losses.fate),
  };
  const cloudPorts = { pipe: pipes.cloud, random, clock, documentClock, trace };
  const cloud = await startSiteCloud(cloudPorts, hubLimits);

  let epochs = 0;
  const newEpoch = (): string => `e${++epochs}`;
  const devices = new Map<string, SiteDevice>();
  const start = async (name: string, { main, link }: Pick<SiteDevice, 'main' | 'link'>) => {
    const which = { name, site, isRelay: name === names[0], bug };
    const ports = { main, link, pipes, clock, random, newEpoch };
    devices.set(name, await startSiteDevice(which, ports));
  };
  const newDisk = () => unwrap(openDatabase(':memory:'));
  for (const name of names) await start(name, { main: newDisk(), link: newDisk() });

  const deviceOf = (name: string): SiteDevice => {
    const device = devices.get(name);
    if (device === undefined) throw new Error(`no device ${name}`);
    return device;
  };

  return {
    clock,
    accepted: cloud.accepted,
    agedMs: agedMs as readonly number[],
    lost: losses.count,
    /** The coordinator's date is wrong by so much. */
    setCloudAhead(ms: number): void {
      cloudAheadMs = ms;
    },
    storeOf: (name: string): DeviceStore => deviceOf(name).store,
    async edit(name: string, patch: unknown): Promise<void> {
      unwrap(await deviceOf(name).documents.patch('site', patch));
    },
    measure(name: string): void {
      const { store, session } = deviceOf(name);
      unwrap(store.append({ kind: 'telemetry', values: { n: 1 } }, clock.nowMs()));
      session.notifyAppended();
    },
    read: async (name: string): Promise<SiteView> =>
      viewOf(unwrap(await deviceOf(name).documents.read('site'))),
    readCloud: async (): Promise<SiteView> => viewOf(unwrap(await cloud.hub().read(document))),
    /** A new epoch of the site's document. */
    async beginEpoch(): Promise<void> {
      unwrap(await cloud.hub().beginEpoch(document));
    },
    setLink(way: 'cloud' | 'site', name: string, up: boolean): void {
      pipes[way].setLink(name, up);
    },
    heal(way: 'cloud' | 'site'): void {
      for (const name of names) this.setLink(way, name, true);
    },
    stopLosing: losses.stop,
    /** `anew`: its way to the relay has lost its database. */
    async restart(name: string, anew = false): Promise<void> {
      const { main, link, documents, session } = deviceOf(name);
      session.close();
      await documents.close();
      if (anew) link.close();
      await start(name, { main, link: anew ? newDisk() : link });
    },
    restartCloud: cloud.restart,
    /** Runs until `ms` later. */
    async run(ms: number): Promise<void> {
      const untilMs = clock.nowMs() + ms;
      // All that follows from a timer is done when the event loop turns: nothing here waits for another thread.
      do await new Promise((resolve) => setImmediate(resolve));
      while (clock.runNext(untilMs));
    },
    async close(): Promise<void> {
      for (const { main, link, documents, session } of devices.values()) {
        session.close();
        await documents.close();
        main.close();
        link.close();
      }
    },
  };
}

/** What becomes of each message: the delays with which it comes, in milliseconds. */
function createLosses(random: Random, share: number) {
  let loses = share > 0;
  let count = 0;
  return {
    count: () => count,
    stop(): void {
      loses = false;
    },
    fate(): readonly number[] {
      if (!loses) return [5];
      const draw = random.next();
      if (draw < share) {
        count++;
        return [];
      }
      return draw < 2 * share ? [random.below(300), random.below(300)] : [random.below(100)];
    },
  };
}

const viewOf = (view: {
  readonly epoch: number;
  readonly heads: readonly string[];
  readonly value: object;
}): SiteView => ({
  epoch: view.epoch,
  heads: [...view.heads].sort().join(' '),
  value: { ...view.value },
});
