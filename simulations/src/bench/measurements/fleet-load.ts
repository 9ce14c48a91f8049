// One coordinator and a fleet of n devices: the process as it is shipped, with its own broker and its SQLite file, and
// beside it, on the same cores, processes that hold the devices.

import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { defined, sleep } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import { encodeBody, type UpBody } from '@skerry/sync-protocol';
import { startProcess } from '../../fleet/process.ts';
import { readMetrics } from '../../fleet/read-metrics.ts';
import { type Image, imageTensor } from '../image.ts';
import { expectOk, openInProcessAgent } from '../in-process-agent.ts';
import { measure } from '../measure.ts';
import { type Latencies, latenciesOf } from '../statistics.ts';
import { readImages } from '../workload.ts';

export interface FleetLoadOptions {
  readonly folder: string;
  readonly bundle: string;
  readonly images: string;
  readonly devices: number;
  readonly intervalMs: number;
  readonly rampMs: number;
  readonly windowMs: number;
  /** The devices connect, exchange once, and say nothing more. */
  readonly idle: boolean;
}

export interface FleetLoad extends Latencies {
  readonly exchanges: number;
  readonly unanswered: number;
  readonly away: number;
  /** Of one core, in the window. */
  readonly coordinatorCpu: number;
  readonly devicesCpu: number;
  readonly residentBytes: number;
  readonly loopLateP99Ms: number;
}

/** One process holds as many without being the bottleneck. */
const devicesPerProcess = 10_000;
/** Node has started and read its modules by then. */
const startMs = 2_500;
/** Between the last connection and the window, at most. */
const settleMsMax = 5_000;

export async function fleetLoad(options: FleetLoadOptions): Promise<FleetLoad> {
  const { devices, intervalMs, rampMs, windowMs, idle } = options;
  const folder = await mkdtemp(join(options.folder, 'fleet-'));
  const question = join(folder, 'question.cbor');
  await writeFile(question, expectOk(encodeBody(await askedQuestion(folder, options))));
  const coordinator = await startProcess('coordinator', 'coordinator', {
    'http-port': 0,
    'mqtt-port': 0,
    'data-dir': join(folder, 'coordinator'),
    'next-exchange-ms': intervalMs,
  });
  const parts = Math.ceil(devices / devicesPerProcess);
  const rampAtMs = systemClock.nowMs() + startMs;
  const windowAtMs = rampAtMs + rampMs + Math.min(settleMsMax, intervalMs);
  const abort = new AbortController();
  process.once('exit', () => abort.abort()); // Nothing that this starts outlives it.
  const running = Array.from({ length: parts }, (_, part) =>
    measure(
      'fleet-devices',
      {
        brokerUrl: coordinator.mqttUrl ?? '',
        part,
        devices: Math.floor((devices + part) / parts),
        intervalMs,
        rampAtMs,
        rampMs,
        windowAtMs,
        windowMs,
        question,
        silent: idle,
      },
      abort.signal,
    ),
  );
  const observed = observe(coordinator.httpUrl, windowAtMs, windowMs);
  const [parted, { cpuSeconds, residentBytes }] = await Promise.all([
    Promise.all(running),
    observed,
  ]).catch((thrown: unknown) => {
    const how = coordinator.exited() ? 'has ended' : 'does not answer';
    throw new Error(`the coordinator ${how}: ${coordinator.lastWords()}`, { cause: thrown });
  });
  await coordinator.stop();
  const latenciesMs = parted.flatMap((part) => part.latenciesMs);
  const sum = (of: (part: (typeof parted)[number]) => number): number =>
    parted.reduce((total, part) => total + of(part), 0);
  return {
    ...latenciesOf(latenciesMs),
    exchanges: latenciesMs.length,
    unanswered: sum(({ unanswered }) => unanswered),
    away: sum(({ away }) => away),
    coordinatorCpu: cpuSeconds / (windowMs / 1_000),
    devicesCpu: sum((part) => part.cpuSeconds) / (windowMs / 1_000),
    residentBytes,
    loopLateP99Ms: Math.max(...parted.map((part) => part.loopLateP99Ms)),
  };
}

/** What a real agent asks about a real image. */
async function askedQuestion(
  folder: string,
  { bundle, images }: FleetLoadOptions,
): Promise<UpBody> {
  const [pixels] = await readImages(images);
  const { agent, store, close } = await openInProcessAgent(folder, bundle, 'cloud-only');
  const input = imageTensor(defined(pixels, 'an image') as Image);
  expectOk(await agent.inference.infer({ model: 'digits', input }));
  const [op] = store.unacknowledged(1, Number.MAX_SAFE_INTEGER);
  await close();
  return defined(op, 'an escalation').body;
}

/** What the coordinator says of itself, at the beginning of the window and at its end. */
async function observe(httpUrl: string, windowAtMs: number, windowMs: number) {
  await sleep(systemClock, windowAtMs - systemClock.nowMs());
  const before = await scrape(httpUrl);
  await sleep(systemClock, windowAtMs + windowMs - systemClock.nowMs());
  const after = await scrape(httpUrl);
  return { ...after, cpuSeconds: after.cpuSeconds - before.cpuSeconds };
}

async function scrape(httpUrl: string) {
  const metric = await readMetrics(httpUrl);
  return {
    cpuSeconds: metric('process_cpu_seconds_total'),
    residentBytes: metric('process_resident_memory_bytes'),
  };
}
