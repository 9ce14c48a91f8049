// The scenario: a few devices speak, a cloud answers, everything fails at random for a minute (see weather.ts), then the
// faults end. Checked after every step: nothing that must never happen has. Checked at the end: every outbox is empty,
// every question answered, every document change dealt with. One seed gives one run, exactly.

import { setImmediate as settled } from 'node:timers/promises';
import { type Clock, createRandom, type Random } from '@skerry/shared';
import type { OutboxBounds } from '@skerry/sync-protocol';
import {
  type CoordinatorDisk,
  createMemoryCoordinatorDisk,
  createMemoryCoordinatorStore,
  createMemoryDeviceDisk,
  createMemoryDeviceStore,
  createMemoryPipe,
  createVirtualClock,
  type Damage,
  type Fate,
  type MemoryDeviceDisk,
} from '@skerry/sync-protocol/testing';
import { createLedger, type Violation } from './ledger.ts';
import { type Bug, type PlantedBug, plantedBugs } from './planted-bugs.ts';
import { type CopyableDisk, type SimulatedAgent, startAgent } from './simulated-agent.ts';
import { startCoordinator } from './simulated-coordinator.ts';
import { drawWeather, type Happening, healAtMs } from './weather.ts';

/** By then all must be well: the longest backoff, the longest timeout, a restart, a pause, and as much again. */
const wellByMs = healAtMs + 300_000;
/** Watched for this long after all is well, for what comes late. */
const afterglowMs = 60_000;
/** A run takes a few hundred steps; what takes so many has no end. */
const stepsMax = 4_000;
const bounds: OutboxBounds = { outboxOpsMax: 12, outboxBytesMax: 100_000 };

export interface Disks {
  /** `newEpoch` names each opening. */
  device(device: string, newEpoch: () => string, bounds: OutboxBounds): CopyableDisk;
  coordinator(clock: Pick<Clock, 'nowMs'>): CoordinatorDisk;
}

const memoryDisks = (bug: Bug | undefined): Disks => ({
  device(device, newEpoch, bounds) {
    const diskOf = (disk: MemoryDeviceDisk): CopyableDisk => ({
      open() {
        if (disk.boot > 0) bug?.onOpen?.(disk);
        return createMemoryDeviceStore(disk, bounds, newEpoch);
      },
      close() {},
      copy: () => diskOf({ ...disk }), // Its parts are replaced, never changed.
    });
    return diskOf(createMemoryDeviceDisk(device, 'blank'));
  },
  coordinator() {
    const disk = createMemoryCoordinatorDisk();
    return { open: async () => createMemoryCoordinatorStore(disk), async close() {} };
  },
});

export interface RunOptions {
  readonly disks?: Disks;
  readonly bug?: PlantedBug;
  readonly trace?: (line: string) => void;
  /** Happenings that are left out, by their place in the weather. */
  readonly without?: ReadonlySet<number>;
}

export interface Outcome {
  readonly seed: number;
  readonly violation: Violation | undefined;
  /** Virtual time. */
  readonly endedAtMs: number;
  /** What the weather held and was not left out, by place. */
  readonly happenings: ReadonlyMap<number, Happening>;
  readonly counts: {
    readonly steps: number;
    readonly appended: number;
    readonly answered: number;
    readonly deaths: number;
    readonly lost: number;
    readonly repeated: number;
    readonly damaged: number;
    readonly restored: number;
    readonly swapped: number;
    readonly quarantined: number;
  };
}

export async function storm(seed: number, options: RunOptions = {}): Promise<Outcome> {
  const seeded = createRandom(seed);
  // Streams of their own, so that a run with a part left out draws the same weather.
  const weather = drawWeather(seeded.fork(1));
  const random = seeded.fork(2);
  const happenings = new Map(
    [...weather.happenings.entries()].filter(([place]) => !options.without?.has(place)),
  );
  const clock = createVirtualClock();
  const ledger = createLedger(bounds);
  const bug: Bug | undefined = options.bug === undefined ? undefined : plantedBugs[options.bug];
  const disks = options.disks ?? memoryDisks(bug);
  const counts = { steps: 0, deaths: 0, lost: 0, repeated: 0, damaged: 0, restored: 0, swapped: 0 };
  const trace = (line: string): void =>
    options.trace?.(`${(clock.nowMs() / 1000).toFixed(3).padStart(9)} s  ${line}`);
  const stormy = (): boolean => clock.nowMs() < healAtMs;
  const skewsMs = new Map<string, number>();

  const isIn = (kind: Happening['kind'], device: string): boolean =>
    under(happenings, kind, device, clock.nowMs()) !== undefined;
  const fate: Fate = (device, direction, bytes) => {
    const slow = under(happenings, 'slow-link', device, clock.nowMs());
    const transmitMs = slow?.kind === 'slow-link' ? (1_000 * bytes) / slow.bytesPerSecond : 0;
    const delayMs = (): number =>
      Math.floor(transmitMs) + 1 + random.below(stormy() ? weather.delayMaxMs : 50);
    if (!stormy()) return [delayMs()];
    const silenced = under(happenings, 'partition', device, clock.nowMs());
    if (silenced !== undefined || random.next() < weather.lossRate) {
      counts.lost++;
      trace(`lost: a message ${direction} of ${device}`);
      return [];
    }
    if (random.next() >= weather.repeatRate) return [delayMs()];
    counts.repeated++;
    return [delayMs(), delayMs()];
  };
  const damage: Damage = (message) => {
    if (!stormy() || random.next() >= weather.damageRate) return message;
    counts.damaged++;
    return damaged(message, random);
  };
  const dies = (point: string): boolean => {
    const fatal = stormy() && random.next() < weather.crashRate;
    if (fatal) counts.deaths++;
    if (fatal) trace(`dies: ${point}`);
    return fatal;
  };
  const pipe = createMemoryPipe(clock, fate, damage);
  const world = {
    clock,
    random,
    pipe,
    ledger,
    dies,
    trace,
    isFull: (device: string) => isIn('full-disk', device),
    skewMs: (device: string) => skewsMs.get(device) ?? 0,
    wrapTransport: bug?.wrapTransport ?? ((transport) => transport),
    wrapStore: bug?.wrapStore ?? ((store) => store),
    exchangesMax: weather.exchangesMax,
  } satisfies Parameters<typeof startAgent>[2] & Parameters<typeof startCoordinator>[1];

  const coordinator = await startCoordinator(disks.coordinator(clock), world);
  const factor = bug?.boundsFactor ?? 1;
  const allowed = {
    outboxOpsMax: bounds.outboxOpsMax * factor,
    outboxBytesMax: bounds.outboxBytesMax * factor,
  };
  let epochs = 0;
  const agents = new Map<string, SimulatedAgent>(
    weather.devices.map((device) => {
      const disk = disks.device(device, () => `${device}-${++epochs}`, allowed);
      return [device, startAgent(device, disk, world)];
    }),
  );

  const setLink = (device: string, up: boolean): void => {
    trace(`${device}'s link ${up ? 'comes' : 'goes'}`);
    pipe.setLink(device, up);
  };
  const happen = (happening: Happening): void => {
    if ('device' in happening) {
      const agent = agents.get(happening.device) as SimulatedAgent;
      switch (happening.kind) {
        case 'say':
          agent.say(happening.id);
          return;
        case 'poison':
          coordinator.poison(happening.device, happening.id);
          return;
        case 'clock-jump':
          skewsMs.set(happening.device, world.skewMs(happening.device) + happening.byMs);
          return;
        case 'back-up':
          agent.backUp();
          return;
        case 'restore':
          counts.restored++;
          agent.restore();
          return;
        case 'swap-clone':
          counts.swapped++;
          agent.swapClone();
          return;
        case 'partition':
          if (happening.silent) return;
          setLink(happening.device, false);
          clock.after(happening.untilMs - happening.atMs, () => setLink(happening.device, true));
          return;
        case 'slow-link':
        case 'full-disk':
          return; // `fate` and `isFull` look them up.
      }
    }
    if (happening.kind === 'kill') {
      counts.deaths++;
      (agents.get(happening.whom) ?? coordinator).kill();
      return;
    }
    if (happening.kind === 'broker-restart')
      for (const device of weather.devices) {
        setLink(device, false);
        clock.after(happening.untilMs - happening.atMs, () => setLink(device, true));
      }
  };
  for (const happening of happenings.values()) clock.after(happening.atMs, () => happen(happening));
  clock.after(healAtMs, () => {
    for (const agent of agents.values()) agent.retireClone();
  });

  const findViolation = (): Violation | undefined => {
    for (const agent of agents.values()) {
      const violation = ledger.check(agent.device, agent.view());
      if (violation !== undefined) return violation;
    }
    return undefined;
  };
  const unfinished = async (): Promise<string | undefined> => {
    const owed = ledger.owed();
    if (owed.length > 0) return `${owed.length} questions have no answer, the first is ${owed[0]}`;
    for (const agent of agents.values()) {
      const { ops } = agent.view().position;
      if (ops > 0) return `${agent.device}'s outbox still holds ${ops} ops`;
    }
    const open = await coordinator.openOps();
    return open === 0 ? undefined : `${open} accepted ops were not dealt with`;
  };

  const run = async (
    untilMs: number,
    isDone: () => Promise<boolean>,
  ): Promise<Violation | undefined> => {
    await settled();
    while (clock.runNext(untilMs)) {
      await settled();
      counts.steps++;
      const violation = findViolation();
      if (violation !== undefined) return violation;
      if (counts.steps > stepsMax) return { rule: 'NEV6', message: `no rest in ${stepsMax} steps` };
      if (await isDone()) return undefined;
    }
    return undefined;
  };
  const isWell = async (): Promise<boolean> => (await unfinished()) === undefined;
  const never = async (): Promise<boolean> => false;
  const illness = async (): Promise<Violation | undefined> => {
    const message = await unfinished();
    return message === undefined ? undefined : { rule: 'NEV3', message };
  };

  const violation =
    (await run(healAtMs, never)) ??
    (await run(wellByMs, isWell)) ??
    (await illness()) ??
    (await run(clock.nowMs() + afterglowMs, never));
  if (violation !== undefined) trace(`${violation.rule}: ${violation.message}`);
  let quarantined = 0;
  for (const agent of agents.values()) quarantined += agent.view().position.quarantined;
  return {
    seed,
    violation,
    endedAtMs: clock.nowMs(),
    happenings,
    counts: { ...counts, ...ledger.counts, quarantined },
  };
}

/** What lies over the device at this moment, if anything of that kind does. */
function under(
  happenings: ReadonlyMap<number, Happening>,
  kind: Happening['kind'],
  device: string,
  nowMs: number,
): Happening | undefined {
  for (const happening of happenings.values())
    if (
      happening.kind === kind &&
      'untilMs' in happening &&
      'device' in happening &&
      happening.device === device &&
      nowMs >= happening.atMs &&
      nowMs < happening.untilMs &&
      nowMs < healAtMs
    )
      return happening;
  return undefined;
}

/** Cut short, or with one bit flipped. */
function damaged(message: Uint8Array, random: Random): Uint8Array {
  if (random.next() < 0.5) return message.subarray(0, random.below(message.length));
  const place = random.below(message.length);
  message[place] = (message[place] as number) ^ (1 << random.below(8));
  return message;
}
