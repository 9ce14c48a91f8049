// The scenario: a few devices ask, a cloud answers, everything fails at random for a minute (loss, repetition,
// reordering, one device cut off, processes killed between any two writes), then the faults end. Checked after every
// step: nothing that must never happen has. Checked at the end: every outbox is empty and every question answered.
// One seed gives one run, exactly.

import { setImmediate as settled } from 'node:timers/promises';
import { createRandom, type Random } from '@skerry/shared';
import type { OutboxBounds } from '@skerry/sync-protocol';
import {
  type CoordinatorDisk,
  createMemoryCoordinatorDisk,
  createMemoryCoordinatorStore,
  createMemoryDeviceDisk,
  createMemoryDeviceStore,
  createMemoryPipe,
  createVirtualClock,
  type DeviceDisk,
  type Fate,
} from '@skerry/sync-protocol/testing';
import { createLedger, type Violation } from './ledger.ts';
import { type PlantedBug, plantedBugs } from './planted-bugs.ts';
import { startAgent, type TransportWrapper } from './simulated-agent.ts';
import { startCoordinator } from './simulated-coordinator.ts';

/** Faults end here, and nothing is asked after it. */
const healAtMs = 60_000;
/** By then all must be well: the longest backoff, the longest timeout, a restart, and as much again. */
const wellByMs = healAtMs + 300_000;
/** Watched for this long after all is well, for what comes late. */
const afterglowMs = 60_000;
/** A run takes a few hundred steps; what takes so many has no end. */
const stepsMax = 20_000;
const bounds: OutboxBounds = { outboxOpsMax: 12, outboxBytesMax: 100_000 };

export interface Disks {
  device(device: string, epoch: string, bounds: OutboxBounds): DeviceDisk;
  coordinator(): CoordinatorDisk;
}

const memoryDisks: Disks = {
  device(device, epoch, bounds) {
    const disk = createMemoryDeviceDisk(device, epoch);
    return { open: () => createMemoryDeviceStore(disk, bounds), close() {} };
  },
  coordinator() {
    const disk = createMemoryCoordinatorDisk();
    return { open: async () => createMemoryCoordinatorStore(disk), async close() {} };
  },
};

export interface RunOptions {
  readonly disks?: Disks;
  readonly bug?: PlantedBug;
  readonly trace?: (line: string) => void;
}

export interface Outcome {
  readonly seed: number;
  readonly violation: Violation | undefined;
  /** Virtual time. */
  readonly endedAtMs: number;
  readonly counts: {
    readonly steps: number;
    readonly asked: number;
    readonly appended: number;
    readonly answered: number;
    readonly deaths: number;
    readonly lost: number;
    readonly repeated: number;
  };
}

/** The faults of one run, drawn from its seed. */
interface Weather {
  readonly devices: readonly string[];
  readonly asksMax: number;
  readonly lossRate: number;
  readonly repeatRate: number;
  readonly delayMaxMs: number;
  readonly crashRate: number;
  readonly partition: {
    readonly device: string;
    readonly fromMs: number;
    readonly untilMs: number;
    /** The device is not told: messages just vanish. */
    readonly silent: boolean;
  };
  readonly kills: readonly { readonly whom: number; readonly atMs: number }[];
}

export async function partitionAndHeal(seed: number, options: RunOptions = {}): Promise<Outcome> {
  const random = createRandom(seed);
  const weather = drawWeather(random);
  const clock = createVirtualClock();
  const ledger = createLedger(bounds);
  const disks = options.disks ?? memoryDisks;
  const counts = { steps: 0, asked: 0, deaths: 0, lost: 0, repeated: 0 };
  const trace = (line: string): void =>
    options.trace?.(`${(clock.nowMs() / 1000).toFixed(3).padStart(9)} s  ${line}`);
  const stormy = (): boolean => clock.nowMs() < healAtMs;

  const fate: Fate = (device, direction) => {
    const delayMs = (): number => 1 + random.below(stormy() ? weather.delayMaxMs : 50);
    if (!stormy()) return [delayMs()];
    if (isSilenced(weather, device, clock.nowMs()) || random.next() < weather.lossRate) {
      counts.lost++;
      trace(`lost: a message ${direction} of ${device}`);
      return [];
    }
    if (random.next() >= weather.repeatRate) return [delayMs()];
    counts.repeated++;
    return [delayMs(), delayMs()];
  };
  const dies = (point: string): boolean => {
    const fatal = stormy() && random.next() < weather.crashRate;
    if (fatal) counts.deaths++;
    if (fatal) trace(`dies: ${point}`);
    return fatal;
  };
  const pipe = createMemoryPipe(clock, fate);
  const asIs: TransportWrapper = (transport) => transport;
  const wrapTransport = options.bug === undefined ? asIs : plantedBugs[options.bug];
  const world = { clock, random, pipe, ledger, dies, trace, wrapTransport };

  const coordinator = await startCoordinator(disks.coordinator(), world);
  const agents = weather.devices.map((device) =>
    startAgent(device, disks.device(device, `epoch-of-${device}`, bounds), world),
  );
  for (const { device, ask } of agents)
    for (let i = random.below(weather.asksMax); i >= 0; i--)
      clock.after(random.below(healAtMs), () => {
        counts.asked++;
        ask(`${device}-${i}`);
      });
  for (const { whom, atMs } of weather.kills)
    clock.after(atMs, () => {
      counts.deaths++;
      (agents[whom] ?? coordinator).kill();
    });
  const { partition } = weather;
  if (!partition.silent) {
    clock.after(partition.fromMs, () => pipe.setLink(partition.device, false));
    clock.after(partition.untilMs, () => pipe.setLink(partition.device, true));
  }

  const findViolation = (): Violation | undefined => {
    for (const agent of agents) {
      const violation = ledger.check(agent.device, agent.view());
      if (violation !== undefined) return violation;
    }
    return undefined;
  };
  const isWell = (): boolean =>
    ledger.counts.answered === ledger.counts.appended &&
    agents.every((agent) => agent.view().position.ops === 0);

  const run = async (untilMs: number, until: () => boolean): Promise<Violation | undefined> => {
    await settled();
    while (!until() && clock.runNext(untilMs)) {
      await settled();
      counts.steps++;
      const violation = findViolation();
      if (violation !== undefined) return violation;
      if (counts.steps > stepsMax) return { rule: 'NEV6', message: `no rest in ${stepsMax} steps` };
    }
    return undefined;
  };

  const violation =
    (await run(healAtMs, () => false)) ??
    (await run(wellByMs, isWell)) ??
    (isWell() ? undefined : unwell(ledger.counts, wellByMs - healAtMs)) ??
    (await run(clock.nowMs() + afterglowMs, () => false));
  if (violation !== undefined) trace(`${violation.rule}: ${violation.message}`);
  return {
    seed,
    violation,
    endedAtMs: clock.nowMs(),
    counts: { ...counts, ...ledger.counts },
  };
}

function drawWeather(random: Random): Weather {
  const devices = Array.from({ length: 2 + random.below(3) }, (_, i) => `device-${i + 1}`);
  const fromMs = random.below(healAtMs / 2);
  return {
    devices,
    asksMax: 5 + random.below(40),
    lossRate: random.next() * 0.3,
    repeatRate: random.next() * 0.3,
    delayMaxMs: 10 + random.below(3_000),
    crashRate: random.next() * 0.02,
    partition: {
      device: devices[random.below(devices.length)] as string,
      fromMs,
      untilMs: fromMs + random.below(healAtMs - fromMs),
      silent: random.next() < 0.5,
    },
    kills: Array.from({ length: random.below(6) }, () => ({
      whom: random.below(devices.length + 1),
      atMs: random.below(healAtMs),
    })),
  };
}

function isSilenced({ partition }: Weather, device: string, nowMs: number): boolean {
  const { silent, fromMs, untilMs } = partition;
  return silent && device === partition.device && nowMs >= fromMs && nowMs < untilMs;
}

function unwell(counts: { appended: number; answered: number }, boundMs: number): Violation {
  return {
    rule: 'NEV3',
    message: `${boundMs / 1000} s after the heal ${counts.answered} of ${counts.appended} are answered`,
  };
}
