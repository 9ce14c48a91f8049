// Many model devices, their links and the coordinator's view of them: ports for `openRollouts`, with time that a test moves.

import { createRandom, ok, type Random } from '@skerry/shared';
import type { CoordinatorStore, DownBody, OpenOp } from '@skerry/sync-protocol';
import { readAssignment } from '@skerry/sync-protocol/update';
import type {
  AssignmentSigner,
  BundleDirectory,
  DeviceDirectory,
  FleetDevice,
} from '../update/rollouts/ports.ts';
import type { BundleRef } from '../update/rollouts/rollout-event.ts';
import {
  createModelDevice,
  type Fetch,
  type ModelDevice,
  type ModelDeviceOptions,
} from './model-device.ts';
import { type Behaviour, goodBehaviour } from './model-health.ts';

export interface ModelFleetOptions {
  readonly devices: number;
  readonly seed: number;
  readonly model?: string;
  /** What all run, and what there is besides. */
  readonly bundles: readonly [BundleRef, ...BundleRef[]];
  /** By digest; good where it says nothing. */
  readonly behaviours?: Readonly<Record<string, Behaviour>>;
  readonly offlineShare?: number;
  /** On average; whoever goes for good stays away for so long. */
  readonly awayMs?: number;
  readonly flakyShare?: number;
  readonly audits?: number;
  readonly fetchMs?: number;
  /** What a device is; a model of one where nothing is said. */
  readonly createDevice?: (options: ModelDeviceOptions) => ModelDevice;
}

export interface ModelFleet {
  readonly devices: readonly ModelDevice[];
  readonly ops: Pick<CoordinatorStore, 'append' | 'openOps' | 'closeOps' | 'quarantineOp'>;
  readonly directory: DeviceDirectory;
  readonly bundles: BundleDirectory;
  /** Writes the assignment down; whether it is signed is another's test. */
  readonly signer: AssignmentSigner;
  /** Each that has begun. */
  readonly fetches: readonly Fetch[];
  /** Links change, devices go on, and who is there says what it has to say and hears what there is. */
  step(nowMs: number): void;
  /** Cuts or mends a link, which is then left as it is. */
  setOnline(device: string, online: boolean): void;
  /** Everybody's link is mended at one moment. */
  reconnectAll(): void;
  /** One more device. */
  add(name: string): void;
  find(name: string): ModelDevice | undefined;
}

interface Entry {
  readonly device: ModelDevice;
  readonly site: string;
  readonly down: DownBody[];
  heard: FleetDevice;
  /** Unknown until the first step, for only that knows the time. */
  linkDueMs: number | undefined;
  heartbeatDueMs: number;
}

const heartbeatEveryMs = 60_000;
const nameOf = (i: number): string => `device-${String(i).padStart(5, '0')}`;

export function createModelFleet(options: ModelFleetOptions): ModelFleet {
  const { model = 'digits', bundles, behaviours = {}, offlineShare = 0, flakyShare = 0 } = options;
  const { awayMs = 4 * 3_600_000 } = options;
  const random = createRandom(options.seed);
  const entries = new Map<string, Entry>();
  /** Sorted. */
  let names: readonly string[] = [];
  let openOps: OpenOp[] = [];
  let lastOp = 0;
  const fetches: Fetch[] = [];

  const add = (name: string): void => {
    const own = random.fork(entries.size);
    const device = (options.createDevice ?? createModelDevice)({
      name,
      model,
      incumbent: bundles[0].bundle.digest,
      random: own,
      behaviourOf: (digest) => behaviours[digest] ?? goodBehaviour,
      audits: options.audits ?? 20,
      fetchMs: (options.fetchMs ?? 30_000) * (0.5 + own.next()),
      isFlaky: own.next() < flakyShare,
      onFetch: (fetch) => fetches.push(fetch),
    });
    device.online = own.next() >= offlineShare;
    const site = `site-${Math.floor(entries.size / 20)}`;
    const heard = {
      device: name,
      target: entries.size % 3 === 0 ? 'jetson-orin' : 'linux-arm64',
      site,
      labels: entries.size % 2 === 0 ? ['indoor'] : [],
      online: device.online,
      seenMs: 0,
      running: { [model]: device.running() },
    };
    entries.set(name, { device, site, down: [], heard, linkDueMs: undefined, heartbeatDueMs: 0 });
  };
  /** Away for `awayMs` on average, and there for as long as keeps the share. */
  const nextLink = ({ online }: ModelDevice, own: Random): number => {
    if (offlineShare === 0) return Number.POSITIVE_INFINITY;
    const meanMs = online ? (awayMs * (1 - offlineShare)) / offlineShare : awayMs;
    return -Math.log(1 - own.next()) * meanMs;
  };
  const all = Array.from({ length: options.devices }, (_, i) => nameOf(i));
  for (const name of all) add(name);
  names = all;

  const exchange = (entry: Entry, nowMs: number): void => {
    const { device, down } = entry;
    entry.heartbeatDueMs = nowMs + heartbeatEveryMs;
    for (const body of down.splice(0)) {
      if (body.kind !== 'assignment') continue;
      const assignment = readAssignment(body.envelope);
      if (!assignment.ok) throw new Error(assignment.error.message);
      device.take(assignment.value, nowMs);
    }
    for (const body of device.drain())
      openOps.push({ id: ++lastOp, device: device.name, atMs: nowMs, body });
    entry.heard = {
      ...entry.heard,
      online: true,
      seenMs: nowMs,
      running: { [model]: device.running() },
    };
  };

  return {
    get devices() {
      return [...entries.values()].map(({ device }) => device);
    },
    fetches,
    ops: {
      async append(device, body) {
        entries.get(device)?.down.push(body);
        return ok(1);
      },
      openOps: async (_, opsMax) => ok(openOps.slice(0, opsMax)),
      async closeOps(ids) {
        const closed = new Set(ids);
        openOps = openOps.filter(({ id }) => !closed.has(id));
        return ok(undefined);
      },
      async quarantineOp(op) {
        openOps = openOps.filter(({ id }) => id !== op);
        return ok(undefined);
      },
    },
    directory: {
      async list(devicesMax, after = '') {
        const from = after === '' ? 0 : names.indexOf(after) + 1;
        const page = names.slice(from, from + devicesMax);
        return ok(page.flatMap((name) => entries.get(name)?.heard ?? []));
      },
    },
    bundles: {
      async resolve(_, version) {
        const found = bundles.find((each) => each.version === version);
        if (found === undefined) throw new Error(`no version ${version}`);
        return ok(found);
      },
      byDigest: async (_, digest) => ok(bundles.find(({ bundle }) => bundle.digest === digest)),
    },
    signer: {
      sign: async (assignment) => ok(new TextEncoder().encode(JSON.stringify(assignment))),
    },
    step(nowMs) {
      for (const entry of entries.values()) {
        const { device } = entry;
        entry.linkDueMs ??= nowMs + nextLink(device, random);
        if (entry.linkDueMs <= nowMs) {
          device.online = !device.online;
          entry.linkDueMs = nowMs + nextLink(device, random);
        }
        if (device.dueMs() <= nowMs) device.step(nowMs);
        const hasNews = entry.down.length > 0 || device.hasNews() || !entry.heard.online;
        if (device.online && (hasNews || entry.heartbeatDueMs <= nowMs)) exchange(entry, nowMs);
        if (device.online) continue;
        if (entry.heard.online) entry.heard = { ...entry.heard, online: false };
      }
    },
    setOnline(name, online) {
      const entry = entries.get(name);
      if (entry === undefined) return;
      entry.device.online = online;
      entry.linkDueMs = Number.POSITIVE_INFINITY;
    },
    reconnectAll() {
      for (const entry of entries.values()) {
        entry.device.online = true;
        entry.linkDueMs = Number.POSITIVE_INFINITY;
      }
    },
    add(name) {
      add(name);
      names = [...names, name].sort();
    },
    find: (name) => entries.get(name)?.device,
  };
}
