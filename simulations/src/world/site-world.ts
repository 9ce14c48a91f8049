// A site: a relay and its neighbours, each with a way to the coordinator of its own, and any of the ways may be cut.
// Devices are the production feature over SQLite; the engine, the pipes and the clock are of this process, so a seed
// repeats exactly. What must hold is checked at the end: who reaches the relay agrees while the cloud is away, all agree
// when it is back, nothing that a device wrote is lost, nothing deleted comes back, and only the coordinator's word takes
// an op from an outbox.

import {
  acknowledgedBy,
  createDocuments,
  createSqliteDeviceStore,
  createSqliteDocumentStore,
  createSqliteRelayStore,
  type Documents,
  openDatabase,
  type SqliteDatabase,
} from '@skerry/edge-agent';
import {
  createRandom,
  defined,
  type Log,
  type Random,
  type Result,
  silentLog,
} from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import {
  createExchangeHandler,
  createSession,
  type DeviceStore,
  type ExchangeHandler,
  type Session,
  serveExchanges,
} from '@skerry/sync-protocol';
import {
  createFrameTaker,
  createReplica,
  type FollowerStore,
  type FrameTaker,
  type Hub,
  type HubLimits,
  openHub,
  siteDocument,
} from '@skerry/sync-protocol/documents';
import {
  createInlineEngine,
  createMemoryCoordinatorDisk,
  createMemoryCoordinatorStore,
  createMemoryDocumentDisk,
  createMemoryDocumentLog,
  createMemoryMemberStore,
  createMemoryPipe,
  createVirtualClock,
} from '@skerry/sync-protocol/testing';

/** What can be broken, to see that it is found. */
export const siteBugs = ['relayCountsAsCloud', 'oneStore', 'agesWithoutEnd'] as const;
export type SiteBug = (typeof siteBugs)[number];

export interface SiteOutcome {
  readonly seed: number;
  readonly violation?: { readonly rule: string; readonly detail: string };
  readonly counts: {
    readonly edits: number;
    readonly cuts: number;
    readonly restarts: number;
    readonly epochs: number;
    /** Of them, those that began by age. */
    readonly aged: number;
    readonly lost: number;
  };
}

export interface SiteView {
  readonly epoch: number;
  readonly heads: string;
  readonly value: Readonly<Record<string, unknown>>;
}

const site = 'harbour';
const document = siteDocument(site);
const bounds = { outboxOpsMax: 1_000, outboxBytesMax: 64 * 1024 * 1024 };
/** Short enough that a run crosses it several times. */
const retention = { horizonMs: 40_000, epochGapMs: 15_000 };
const relayBounds = { neighboursMax: 16, framesMax: 512 };

interface SimulatedDevice {
  readonly main: SqliteDatabase;
  readonly link: SqliteDatabase;
  readonly store: DeviceStore;
  readonly documents: Documents;
  readonly session: Session;
}

/** The first of `names` is the relay. */
export async function createSiteWorld(
  names: readonly string[],
  random: Random,
  {
    bug,
    lossShare = 0,
    hubLimits = {},
  }: {
    readonly bug?: SiteBug | undefined;
    readonly lossShare?: number;
    /** The coordinator's. */
    readonly hubLimits?: Partial<HubLimits>;
  } = {},
) {
  const clock = createVirtualClock(1_000_000);
  let cloudAheadMs = 0;
  const cloudClock = { ...clock, nowMs: () => clock.nowMs() + cloudAheadMs };
  /** When an epoch began by age. */
  const agedMs: number[] = [];
  const trace: Log = {
    ...silentLog,
    info(fields) {
      if (fields['why'] === 'age') agedMs.push(clock.nowMs());
    },
  };
  const cut = { cloud: new Set<string>(), site: new Set<string>() };
  let loses = lossShare > 0;
  let lost = 0;
  let ids = 0;
  const fate = (): readonly number[] => {
    const draw = loses ? random.next() : 1;
    if (draw < lossShare) {
      lost++;
      return [];
    }
    if (!loses) return [5];
    return draw < 2 * lossShare ? [random.below(300), random.below(300)] : [random.below(100)];
  };
  const pipes = { cloud: createMemoryPipe(clock, fate), site: createMemoryPipe(clock, fate) };
  /** Ops that the coordinator has, by device. */
  const accepted = new Map<string, number>();

  const coordinatorDisk = createMemoryCoordinatorDisk();
  const documentDisk = createMemoryDocumentDisk();
  let cloud: { hub: Hub; handler: ExchangeHandler; taker: FrameTaker } | undefined;
  const startCloud = async (): Promise<void> => {
    cloud?.handler.close();
    const store = createMemoryCoordinatorStore(coordinatorDisk);
    const log = createMemoryDocumentLog(documentDisk);
    const engine = createInlineEngine();
    const author = '0'.repeat(16);
    const replica = createReplica({
      engine,
      log,
      random,
      clock: cloudClock,
      author,
      onChanged() {},
    });
    const transport = pipes.cloud.listen();
    const hub = unwrap(
      await openHub(
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
          clock: cloudClock,
          trace,
        },
        hubLimits,
      ),
    );
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
    cloud = { hub, handler, taker };
  };
  await startCloud();

  const devices = new Map<string, SimulatedDevice>();
  const start = async (name: string, main: SqliteDatabase, link: SqliteDatabase): Promise<void> => {
    const isRelay = name === names[0];
    const newEpoch = (): string => `e${++ids}`;
    const store = unwrap(createSqliteDeviceStore(main, name, newEpoch, bounds));
    const linkStore = unwrap(createSqliteDeviceStore(link, name, newEpoch, bounds));
    const kept = createSqliteDocumentStore(main);
    const documents = createDocuments(
      { device: name, site },
      {
        engine: createInlineEngine(),
        store: kept,
        append(body) {
          const appended = store.append(body, clock.nowMs());
          if (appended.ok) session.notifyAppended();
          return appended;
        },
        acknowledged: acknowledgedBy(store),
        digestOf: sha256,
        clock,
        random,
        log: silentLog,
        ...(isRelay
          ? {}
          : {
              relayLink: {
                store: bug === 'oneStore' ? store : linkStore,
                frames: plant(bug, createSqliteDocumentStore(link), kept),
                transport: pipes.site.connect(name),
              },
            }),
      },
    );
    const session = createSession({
      store,
      transport: pipes.cloud.connect(name),
      clock,
      random,
      log: silentLog,
      effect: documents.record,
      onApplied: documents.deliver,
    });
    devices.set(name, { main, link, store, documents, session });
    if (!isRelay) return;
    const relayStore = unwrap(createSqliteRelayStore(main, document, relayBounds, clock.nowMs()));
    unwrap(await documents.relaySite({ store: relayStore, transport: pipes.site.listen() }));
  };
  for (const name of names)
    await start(name, unwrap(openDatabase(':memory:')), unwrap(openDatabase(':memory:')));

  const deviceOf = (name: string): SimulatedDevice => {
    const device = devices.get(name);
    if (device === undefined) throw new Error(`no device ${name}`);
    return device;
  };
  const cloudNow = () => {
    if (cloud === undefined) throw new Error('the cloud has not started');
    return cloud;
  };
  const viewOf = (view: { epoch: number; heads: readonly string[]; value: object }): SiteView => ({
    epoch: view.epoch,
    heads: [...view.heads].sort().join(' '),
    value: { ...view.value },
  });

  return {
    clock,
    accepted,
    agedMs: agedMs as readonly number[],
    lost: () => lost,
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
    readCloud: async (): Promise<SiteView> => viewOf(unwrap(await cloudNow().hub.read(document))),
    /** A new epoch of the site's document. */
    async renew(): Promise<void> {
      unwrap(await cloudNow().hub.renew(document));
    },
    setLink(way: 'cloud' | 'site', name: string, up: boolean): void {
      if (up) cut[way].delete(name);
      else cut[way].add(name);
      pipes[way].setLink(name, up);
    },
    heal(way: 'cloud' | 'site'): void {
      for (const name of names) this.setLink(way, name, true);
    },
    stopLosing(): void {
      loses = false;
    },
    /** `anew`: its way to the relay has lost its database. */
    async restart(name: string, anew = false): Promise<void> {
      const { main, link, documents, session } = deviceOf(name);
      session.close();
      await documents.close();
      if (anew) link.close();
      await start(name, main, anew ? unwrap(openDatabase(':memory:')) : link);
    },
    restartCloud: startCloud,
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

/** Bugs that the world must find. */
function plant(
  bug: SiteBug | undefined,
  frames: FollowerStore,
  ofCoordinator: FollowerStore,
): FollowerStore {
  if (bug !== 'relayCountsAsCloud') return frames;
  return {
    ...frames,
    noteHubHeads(of, heads) {
      frames.noteHubHeads(of, heads);
      ofCoordinator.noteHubHeads(of, heads); // Breaks [RLY1].
    },
  };
}

const leavesOf = ({ value }: SiteView): string[] => Object.keys(value['once'] ?? {});

const stepsPerRun = 60;
const names = ['relay', 'box-1', 'box-2', 'box-3'];

/** One run: a storm over the site, then the site alone heals, then the cloud comes back. */
export async function siteStorm(seed: number, bug?: SiteBug): Promise<SiteOutcome> {
  const random = createRandom(seed);
  const hubLimits = bug === 'agesWithoutEnd' ? { horizonMs: 1_000, epochGapMs: 0 } : retention;
  const world = await createSiteWorld(names, random, { bug, lossShare: 0.1, hubLimits });
  const counts = { edits: 0, cuts: 0, restarts: 0 };
  /** Of each device, how often it has written its own counter: nobody else does. */
  const written = new Map<string, number>();
  const measured = new Map<string, number>();
  /** Leaves that the coordinator has had, by epoch. */
  const cloudSaw = new Set<string>();
  /**
   * Leaves made by one and deleted by another that saw it: they are never made again. Where an epoch begins, only of what
   * the coordinator had in the epoch that they were deleted in: in one without a leaf nobody can say that it is gone
   * (decision 0040).
   */
  const deleted = new Map<string, { readonly cloudHadIt: boolean }>();
  const anyone = (): string => pick(random, names);

  const edit = async (name: string): Promise<void> => {
    counts.edits++;
    const times = (written.get(name) ?? 0) + 1;
    written.set(name, times);
    const shared = random.below(3);
    await world.edit(name, {
      own: { [name]: times },
      shared: { [`k${shared}`]: random.below(4) === 0 ? null : `${name} ${times}` },
      once: { [`${name}-${times}`]: 1 },
    });
  };
  const remove = async (name: string): Promise<void> => {
    const view = await world.read(name);
    const seen = leavesOf(view);
    if (seen.length === 0) return;
    const leaf = pick(random, seen);
    deleted.set(leaf, { cloudHadIt: cloudSaw.has(`${view.epoch} ${leaf}`) });
    await world.edit(name, { once: { [leaf]: null } });
  };

  const step = async (): Promise<void> => {
    const draw = random.next();
    const name = anyone();
    if (draw < 0.4) await edit(name);
    else if (draw < 0.5) await remove(name);
    else if (draw < 0.6) {
      measured.set(name, (measured.get(name) ?? 0) + 1);
      world.measure(name);
    } else if (draw < 0.8) {
      counts.cuts++;
      world.setLink(pick(random, ['cloud', 'cloud', 'site'] as const), name, random.below(3) === 0);
    } else if (draw < 0.9) {
      counts.restarts++;
      if (random.below(4) === 0) await world.restartCloud();
      else await world.restart(name, random.below(4) === 0);
    } else if (draw < 0.93) {
      await world.renew();
    } else if (draw < 0.97) world.setCloudAhead((random.below(3) - 1) * 10 * retention.horizonMs);
    await world.run(random.below(4_000));
    const view = await world.readCloud();
    for (const leaf of leavesOf(view)) cloudSaw.add(`${view.epoch} ${leaf}`);
  };

  const judge = async (): Promise<SiteOutcome['violation']> => {
    for (const name of names) {
      // Telemetry is never evicted here: what has left the outbox, the coordinator has.
      const waits = world
        .storeOf(name)
        .unacknowledged(1_000, 1e9)
        .filter(({ body }) => body.kind === 'telemetry').length;
      const has = world.accepted.get(name) ?? 0;
      if (waits + has < (measured.get(name) ?? 0))
        return { rule: 'RLY1', detail: `${name}: ${has} accepted and ${waits} wait` };
    }
    const gaps = world.agedMs.map((atMs, i) => atMs - (world.agedMs[i - 1] ?? 0));
    const least = Math.min(...gaps);
    if (least < retention.epochGapMs)
      return { rule: 'DOC16', detail: `two epochs began by age within ${least} ms` };
    return undefined;
  };

  const agree = async (withCloud: boolean): Promise<string | undefined> => {
    const views = await Promise.all(names.map((name) => world.read(name)));
    if (withCloud) views.push(await world.readCloud());
    const epochs = new Set(views.map(({ epoch }) => epoch));
    if (withCloud && epochs.size > 1) return `epochs ${[...epochs].join(' ')}`;
    // [RLY4] In different epochs they need not agree before they have heard the coordinator.
    for (const epoch of epochs) {
      const same = views.filter((view) => view.epoch === epoch);
      if (!withCloud && views[0]?.epoch !== epoch) continue;
      if (new Set(same.map(({ heads }) => heads)).size > 1)
        return JSON.stringify(same.map(({ value }) => value));
    }
    return undefined;
  };

  const run = async (): Promise<SiteOutcome['violation']> => {
    // All have been heard by the coordinator once: of whom it has never heard it can note nothing (decision 0040).
    await world.run(30_000);
    for (let i = 0; i < stepsPerRun; i++) {
      await step();
      const violation = await judge();
      if (violation !== undefined) return violation;
    }
    world.stopLosing();
    for (const name of names) world.setLink('cloud', name, false);
    world.heal('site');
    for (const name of names) await edit(name);
    await world.run(700_000);
    const apart = await agree(false);
    if (apart !== undefined) return { rule: 'RLY6', detail: `without the cloud: ${apart}` };
    world.heal('cloud');
    await world.run(1_400_000);
    const still = await agree(true);
    if (still !== undefined) return { rule: 'RLY6', detail: `with the cloud: ${still}` };
    const view = await world.readCloud();
    const { value } = view;
    const own = value['own'] as Record<string, number> | undefined;
    for (const [name, times] of written)
      if (own?.[name] !== times)
        return { rule: 'RLY1', detail: `${name} wrote ${times}, all have ${own?.[name]}` };
    const back = leavesOf(view).filter((leaf) => {
      const gone = deleted.get(leaf);
      return gone !== undefined && (gone.cloudHadIt || view.epoch === 1);
    });
    if (back.length > 0) return { rule: 'DOC10', detail: `deleted and back: ${back.join(' ')}` };
    return judge();
  };

  try {
    const violation = await run();
    const epochs = (await world.readCloud()).epoch - 1;
    return {
      seed,
      ...(violation === undefined ? {} : { violation }),
      counts: { ...counts, epochs, aged: world.agedMs.length, lost: world.lost() },
    };
  } finally {
    await world.close();
  }
}

function pick<T>(random: Random, from: readonly T[]): T {
  return defined(from[random.below(from.length)], 'one of some');
}

function unwrap<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(`${result.error.code}: ${result.error.message}`);
  return result.value;
}
