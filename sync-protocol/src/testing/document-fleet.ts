// A hub and devices that follow it, over ops as the exchange delivers them: each once and in order, whenever `exchange`
// is called. Replicas, engine and logs are production code or its doubles; a device or the hub may be started again.

import { createHash } from 'node:crypto';
import { createRandom, type Digest, ok, silentLog } from '@skerry/shared';
import { createVirtualClock, unwrap } from '@skerry/shared/testing';
import { createWorkerEngine, type WorkerEngineLimits } from '../automerge/worker-engine.ts';
import { fleetDocument, siteDocument, twinOf } from '../documents/document.ts';
import type { DocumentEngine } from '../documents/engine.ts';
import { createFollower, type Follower } from '../documents/follower.ts';
import { authorOf } from '../documents/frame.ts';
import { type Hub, type HubLimits, type HubPorts, openHub } from '../documents/hub.ts';
import { createReplica, type DocumentView, type Replica } from '../documents/replica.ts';
import type { DocumentChange } from '../messages.ts';
import {
  createMemoryDocumentDisk,
  createMemoryDocumentLog,
  createMemoryFollowerStore,
  createMemoryMemberStore,
  type MemoryDocumentDisk,
} from './memory-documents.ts';

export const digestOf = (bytes: Uint8Array): Digest =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

export interface FleetDevice {
  readonly disk: MemoryDocumentDisk;
  readonly replica: Replica;
  readonly outbox: DocumentChange[];
  readonly inbox: DocumentChange[];
  patch(document: string, patch: unknown): Promise<void>;
  read(document: string): Promise<DocumentView>;
  /** Ends it, and starts it from its disk; `disk` is another's, where it was cloned or restored. */
  restart(disk?: MemoryDocumentDisk): Promise<void>;
}

export interface DocumentFleet {
  readonly hub: Hub;
  readonly hubDisk: MemoryDocumentDisk;
  readonly engine: DocumentEngine;
  readonly refused: string[];
  /** All frames that were carried, both ways. */
  readonly traffic: { readonly frames: number; readonly bytes: number };
  device(name: string): FleetDevice;
  /** Carries what waits between the hub and these devices, until nobody has anything to say. Returns the rounds. */
  exchange(...names: string[]): Promise<number>;
  restartHub(): Promise<void>;
  advance(ms: number): void;
  /** The hub's date is wrong by so much; what is monotonic there stays so. */
  setHubAhead(ms: number): void;
  close(): Promise<void>;
}

const roundsMax = 40;

export async function createDocumentFleet(
  names: readonly string[],
  options: {
    readonly site?: string;
    readonly limits?: Partial<HubLimits>;
    readonly isOfSite?: HubPorts['isOfSite'];
    readonly engine?: Partial<WorkerEngineLimits>;
    readonly seed?: number;
  } = {},
): Promise<DocumentFleet> {
  const clock = createVirtualClock();
  let aheadMs = 0;
  const hubClock = { ...clock, nowMs: () => clock.nowMs() + aheadMs };
  const random = createRandom(options.seed ?? 1);
  const engine = createWorkerEngine(options.engine);
  const site = siteDocument(options.site ?? 'default');
  const devices = new Map<string, Device>();
  const hubDisk = createMemoryDocumentDisk();
  const refused: string[] = [];
  const traffic = { frames: 0, bytes: 0 };

  /** Each replica has documents of its own in the one engine. */
  const engineOf = (owner: string): DocumentEngine => scoped(engine, owner);

  interface Device extends FleetDevice {
    follower: Follower;
    position: number;
    seq: number;
    acked: number;
  }

  let hubs = 0;
  const startHub = async (): Promise<Hub> => {
    const log = createMemoryDocumentLog(hubDisk);
    const replica = createReplica({
      engine: engineOf(`hub${hubs++}`),
      log,
      random,
      clock: hubClock,
      author: authorOf('cloud', digestOf),
      onChanged() {},
    });
    return unwrap(
      await openHub(
        {
          replica,
          log,
          members: createMemoryMemberStore(hubDisk),
          async append(name, body) {
            const device = devices.get(name);
            if (device === undefined) return ok(1);
            device.inbox.push(body);
            return ok(device.position + device.inbox.length);
          },
          digestOf,
          clock: hubClock,
          trace: silentLog,
          ...(options.isOfSite === undefined ? {} : { isOfSite: options.isOfSite }),
          onRefused: (_document, _device, reason) => refused.push(reason),
        },
        options.limits,
      ),
    );
  };
  let hub = await startHub();

  let starts = 0;
  const start = (name: string, disk: MemoryDocumentDisk): Device => {
    const log = createMemoryDocumentLog(disk);
    const store = createMemoryFollowerStore(disk);
    const replica = createReplica({
      engine: engineOf(`${name}${starts++}`),
      log,
      random,
      clock,
      author: authorOf(name, digestOf),
      onChanged: (document) => device.follower?.changed(document),
    });
    const device: Device = {
      disk,
      replica,
      outbox: [],
      inbox: [],
      position: 0,
      seq: 0,
      acked: 0,
      follower: undefined as unknown as Follower,
      async patch(document, patch) {
        unwrap(await device.replica.patch(document, patch, 'all'));
      },
      read: async (document) => unwrap(await device.replica.read(document)),
      async restart(other) {
        device.follower.close();
        await device.follower.idle();
        const again = start(name, other ?? device.disk);
        again.outbox.push(...device.outbox);
        again.inbox.push(...device.inbox);
        again.position = device.position;
        again.seq = device.seq;
        again.acked = device.acked;
        devices.set(name, again);
      },
    };
    const current = device;
    device.follower = createFollower({
      replica,
      log,
      store,
      documents: [twinOf(name), site, fleetDocument],
      of: 'coordinator',
      append(body) {
        const owner = devices.get(name) ?? current;
        owner.outbox.push(body);
        owner.seq++;
        return ok(owner.seq);
      },
      acknowledged: (seq) => seq <= (devices.get(name) ?? current).acked,
      digestOf,
      clock,
      frameId: () => random.uint32(),
      trace: silentLog,
    });
    return device;
  };
  for (const name of names) devices.set(name, start(name, createMemoryDocumentDisk()));

  const round = async (name: string): Promise<boolean> => {
    const device = devices.get(name);
    if (device === undefined) return false;
    await device.follower.idle();
    const up = device.outbox.splice(0);
    for (const op of up) await hub.receive(name, op);
    device.acked += up.length;
    await hub.idle();
    const down = device.inbox.splice(0);
    const store = createMemoryFollowerStore(device.disk);
    for (const { document, frame } of down)
      store.receive({ position: ++device.position, document, frame });
    if (down.length > 0) device.follower.arrived();
    await device.follower.idle();
    hub.heard(name, device.position);
    await hub.idle();
    for (const { frame } of [...up, ...down]) {
      traffic.frames++;
      traffic.bytes += frame.length;
    }
    // What the hub has said on hearing it goes down in the next round.
    return up.length + down.length + device.inbox.length > 0;
  };

  return {
    get hub() {
      return hub;
    },
    hubDisk,
    engine,
    refused,
    traffic,
    device(name) {
      const device = devices.get(name);
      if (device === undefined) throw new Error(`no device ${name}`);
      return device;
    },
    async exchange(...some) {
      const taking = some.length === 0 ? names : some;
      for (let rounds = 0; rounds < roundsMax; rounds++) {
        let busy = false;
        for (const name of taking) busy = (await round(name)) || busy;
        if (!busy) return rounds;
      }
      throw new Error(`still busy after ${roundsMax} rounds`);
    },
    async restartHub() {
      await hub.idle();
      hub = await startHub();
    },
    setHubAhead(ms) {
      aheadMs = ms;
    },
    advance(ms) {
      const until = clock.nowMs() + ms;
      while (clock.runNext(until)) {}
    },
    async close() {
      for (const device of devices.values()) device.follower.close();
      await engine.close();
    },
  };
}

function scoped(engine: DocumentEngine, owner: string): DocumentEngine {
  const in_ = (document: string): string => `${owner}:${document}`;
  return {
    open: (d, ...rest) => engine.open(in_(d), ...rest),
    edit: (d, ...rest) => engine.edit(in_(d), ...rest),
    integrate: (d, ...rest) => engine.integrate(in_(d), ...rest),
    since: (d, ...rest) => engine.since(in_(d), ...rest),
    known: (d, ...rest) => engine.known(in_(d), ...rest),
    lastOfActors: (d) => engine.lastOfActors(in_(d)),
    leaves: (d) => engine.leaves(in_(d)),
    read: (d, ...rest) => engine.read(in_(d), ...rest),
    save: (d) => engine.save(in_(d)),
    replace: (d, ...rest) => engine.replace(in_(d), ...rest),
    dropPast: (d, ...rest) => engine.dropPast(in_(d), ...rest),
    close: () => engine.close(),
  };
}
