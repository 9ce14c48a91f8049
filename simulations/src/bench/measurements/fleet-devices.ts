// A part of a fleet in one process: production sessions over stores in memory and light connections. They connect one by
// one over `rampMs`, and what their Exchanges take is noted between `windowAtMs` and `windowEndMs`.

import { readFile } from 'node:fs/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { assert, createRandom, ok, silentLog, sleep } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import {
  byKind,
  createSession,
  decodeUpBody,
  type Escalation,
  type Session,
  type UpKind,
  upKinds,
} from '@skerry/sync-protocol';
import { createMemoryDeviceDisk, createMemoryDeviceStore } from '@skerry/sync-protocol/testing';
import { createLightMqtt, type LightConnection } from '../../net/light-mqtt.ts';
import { appendsPerInterval, createFleetOps, statusOf } from '../fleet-ops.ts';
import { expectOk } from '../in-process-agent.ts';

export interface FleetDevicesOptions {
  readonly brokerUrl: string;
  /** Its number among the fleet's processes, and the devices in it. */
  readonly part: number;
  readonly devices: number;
  /** Between a device's Exchanges, where it has nothing to say. */
  readonly intervalMs: number;
  /** By the wall clock, which all processes share. */
  readonly rampAtMs: number;
  readonly rampMs: number;
  readonly windowAtMs: number;
  readonly windowMs: number;
  /** A file with an escalation's body; without one the devices say nothing but their status. */
  readonly question: string;
  readonly silent: boolean;
}

export interface FleetDevices {
  /** Exchange → Reply, of those that began in the window; what was never answered counts with the time it waited. */
  readonly latenciesMs: readonly number[];
  readonly unanswered: number;
  /** Connections that were never there, or were lost. */
  readonly away: number;
  readonly cpuSeconds: number;
  /** How late this process's own loop was: what it adds to every figure. */
  readonly loopLateP99Ms: number;
}

interface SimulatedDevice {
  readonly connection: LightConnection;
  readonly session: Session;
  readonly store: ReturnType<typeof createMemoryDeviceStore>;
  readonly name: string;
}

const appendTickMs = 20;
const loopResolutionMs = 5;
/** After the window, for the Replies to what began in it. */
const graceMs = 2_000;

export async function fleetDevices(options: FleetDevicesOptions): Promise<FleetDevices> {
  const { devices: count, rampAtMs, rampMs, windowAtMs, windowMs, part } = options;
  const question = expectOk(decodeUpBody(await readFile(options.question)));
  assert(question.kind === 'escalation', 'the question is an escalation');
  const random = createRandom(part);
  const trips = createTrips(windowAtMs, windowAtMs + windowMs);
  const connect = createLightMqtt(options.brokerUrl);
  const devices: SimulatedDevice[] = [];
  for (let i = 0; i < count; i++) {
    await until(rampAtMs + (rampMs * i) / count);
    devices.push(startDevice(`fleet-${part}-${i}`, connect, trips, question));
  }
  const ops = createFleetOps(question, random);
  const append = async (kind: UpKind): Promise<void> => {
    const device = devices[random.below(devices.length)] as SimulatedDevice;
    const body = await ops.next(kind, device.name);
    expectOk(device.store.append(body, systemClock.nowMs()));
    device.session.notifyAppended();
  };
  const app = options.silent ? undefined : startApp(count / options.intervalMs, append);

  await until(windowAtMs);
  const cpu = process.cpuUsage();
  const loop = monitorEventLoopDelay({ resolution: loopResolutionMs });
  loop.enable();
  await until(windowAtMs + windowMs);
  loop.disable();
  const { user, system } = process.cpuUsage(cpu);
  clearInterval(app);
  await sleep(systemClock, graceMs);
  const away = devices.filter(({ connection }) => connection.lost() || !connection.connected());
  await ops.close();
  return {
    ...trips.result(systemClock.nowMs()),
    away: away.length,
    cpuSeconds: (user + system) / 1e6,
    loopLateP99Ms: Math.max(0, loop.percentile(99) / 1e6 - loopResolutionMs),
  };
}

async function until(atMs: number): Promise<void> {
  const waitMs = atMs - systemClock.nowMs();
  if (waitMs > 0) await sleep(systemClock, waitMs);
}

/** @param perMs intervals of all devices that begin in a millisecond */
function startApp(perMs: number, append: (kind: UpKind) => Promise<void>): NodeJS.Timeout {
  const due = { ...byKind(0) };
  return setInterval(() => {
    for (const kind of upKinds) {
      due[kind] += appendsPerInterval[kind] * perMs * appendTickMs;
      for (; due[kind] >= 1; due[kind]--) void append(kind);
    }
  }, appendTickMs);
}

function startDevice(
  name: string,
  connect: (device: string) => LightConnection,
  trips: Trips,
  question: Escalation,
): SimulatedDevice {
  const connection = connect(name);
  const memory = createMemoryDeviceStore(createMemoryDeviceDisk(name, `epoch-${name}`));
  const store: typeof memory = {
    ...memory,
    apply(reply, effect) {
      trips.replied(name);
      return memory.apply(reply, effect);
    },
  };
  const session = createSession({
    store,
    transport: {
      ...connection,
      send(message) {
        trips.sent(name);
        return connection.send(message);
      },
    },
    clock: systemClock,
    random: createRandom(name.length),
    log: silentLog,
    status: () => statusOf(name, systemClock.nowMs(), question),
    effect: () => ok(undefined),
  });
  return { connection, session, store, name };
}

interface Trips {
  /** An Exchange goes out; a repeated one is as old as the first that nobody answered. */
  sent(device: string): void;
  replied(device: string): void;
  result(nowMs: number): Pick<FleetDevices, 'latenciesMs' | 'unanswered'>;
}

function createTrips(fromMs: number, toMs: number): Trips {
  const sentAtMs = new Map<string, number>();
  const latenciesMs: number[] = [];
  const isInWindow = (atMs: number): boolean => atMs >= fromMs && atMs < toMs;
  return {
    sent(device) {
      if (!sentAtMs.has(device)) sentAtMs.set(device, performance.timeOrigin + performance.now());
    },
    replied(device) {
      const atMs = sentAtMs.get(device);
      sentAtMs.delete(device);
      if (atMs !== undefined && isInWindow(atMs))
        latenciesMs.push(performance.timeOrigin + performance.now() - atMs);
    },
    result(nowMs) {
      const open = [...sentAtMs.values()].filter(isInWindow);
      const waited = open.map((atMs) => nowMs - atMs);
      return { latenciesMs: [...latenciesMs, ...waited], unanswered: open.length };
    },
  };
}
