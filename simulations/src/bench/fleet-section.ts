// How many devices one coordinator serves on these cores, and what a device costs it that has nothing to say.

import { openFilesMax } from '@skerry/shared/node';
import { findLargest } from './find-largest.ts';
import type { FleetLoad, FleetLoadOptions } from './measurements/fleet-load.ts';
import type { Bench } from './sections.ts';
import { number, renderTable } from './table.ts';

const p99MsMax = 1_000;
/** What the search asks for: the fleet that Skerry is made for. */
const aim = 20_000;
const precision = 0.1;
/** Beside the devices' connections: the database, the listeners, the coordinator's threads. */
const filesReserved = 250;
const hourMs = 3_600_000;
const idleWindowMs = 5_000;
/** A fleet that connects costs more than one that is connected, and is not what is measured. */
const rampIntervals = 2;

type Tried = FleetLoad & { readonly devices: number };

export async function fleetSection(bench: Bench): Promise<string> {
  const { intervalMs, windowMs, devicesMost } = bench.effort.fleet;
  const files = openFilesMax();
  const most = Math.min(devicesMost, aim, files - filesReserved);
  const { largest, tried } = await largestFleet(bench, most);
  const whyNoMore = most < devicesMost ? `ulimit -n is ${files}` : 'a smoke run';
  const isCapped = largest === most && most < aim;
  return [
    `One coordinator with its broker and its SQLite file; each device exchanges every ${intervalMs / 1_000} s, and they share these cores`,
    loadTable(tried, windowMs / 1_000),
    `Largest fleet with p99 under ${p99MsMax / 1_000} s: ${largest} devices${isCapped ? ` (no more were tried: ${whyNoMore})` : ''}`,
    await idleLine(bench, most),
  ].join('\n');
}

async function largestFleet(bench: Bench, most: number) {
  const { devicesFirst, windowMs, intervalMs, triesMax } = bench.effort.fleet;
  const tried: Tried[] = [];
  const bounds = { first: Math.min(devicesFirst, most), most, precision, triesMax };
  const largest = await findLargest(bounds, async (devices) => {
    const rampMs = rampIntervals * intervalMs;
    const load = await loadOf(bench, { devices, intervalMs, rampMs, windowMs, idle: false });
    tried.push({ devices, ...load });
    return load.p99Ms < p99MsMax && load.unanswered === 0 && load.away === 0;
  });
  return { largest, tried: tried.toSorted((a, b) => a.devices - b.devices) };
}

function loadTable(tried: readonly Tried[], seconds: number): string {
  return renderTable(
    [
      'devices',
      'exchanges/s',
      'p50 ms',
      'p99 ms',
      'unanswered',
      'not connected',
      'its CPU',
      'µs each',
      'CPU of the load',
      'load late p99 ms',
    ],
    tried.map((load) => [
      String(load.devices),
      number(load.exchanges / seconds),
      number(load.p50Ms),
      number(load.p99Ms),
      String(load.unanswered),
      String(load.away),
      percent(load.coordinatorCpu),
      number((1e6 * load.coordinatorCpu * seconds) / load.exchanges),
      percent(load.devicesCpu),
      number(load.loopLateP99Ms),
    ]),
  );
}

/** The slope between two fleets that are connected, have exchanged once, and say nothing. */
async function idleLine(bench: Bench, most: number): Promise<string> {
  const { idleDevices, intervalMs } = bench.effort.fleet;
  const [few, many] = idleDevices;
  const residentOf = async (devices: number): Promise<number> => {
    const rampMs = (rampIntervals * intervalMs * devices) / most;
    const idle = { devices, intervalMs: hourMs, rampMs, windowMs: idleWindowMs, idle: true };
    const { residentBytes, away } = await loadOf(bench, idle);
    return away === 0 ? residentBytes : Number.NaN;
  };
  const before = await residentOf(few);
  const each = ((await residentOf(many)) - before) / (many - few);
  const bare = before - few * each;
  return `Memory of an idle, connected device: ${number(each / 2 ** 10)} KiB (resident at ${few} and ${many}), over ${number(bare / 2 ** 20)} MiB of the process itself`;
}

function loadOf(
  { measure, workload, onCase }: Bench,
  options: Omit<FleetLoadOptions, 'folder' | 'bundle' | 'images'>,
): Promise<FleetLoad> {
  const { folder, digits: bundle, images } = workload;
  onCase(`${options.idle ? 'idle fleet' : 'fleet'} of ${options.devices}`);
  return measure('fleet-load', { folder, bundle, images, ...options });
}

const percent = (cores: number): string => `${number(100 * cores)} %`;
