// How many devices one coordinator serves on these cores, and what a device costs it that has nothing to say.

import { spawnSync } from 'node:child_process';
import { findLargest } from './find-largest.ts';
import type { FleetLoad } from './measurements/fleet-load.ts';
import type { Bench } from './sections.ts';
import { number, renderTable } from './table.ts';

const p99MsMax = 1_000;
/** What the search asks for: the fleet that Skerry is made for. */
const aim = 20_000;
const precision = 0.1;
/** Beside the devices' connections: the database, the listeners, the coordinator's threads. */
const descriptorsReserved = 250;
const hourMs = 3_600_000;
const idleWindowMs = 5_000;
/** A fleet that connects costs more than one that is connected, and is not what is measured. */
const rampIntervals = 2;

export async function fleetSection({ measure, workload, effort, onCase }: Bench): Promise<string> {
  const { folder, digits: bundle, images } = workload;
  const { devicesFirst, devicesMost, idleDevices, intervalMs, windowMs, triesMax } = effort.fleet;
  const base = { folder, bundle, images };
  const descriptors = descriptorsMax();
  const most = Math.min(devicesMost, aim, descriptors - descriptorsReserved);
  const tried: (FleetLoad & { readonly devices: number })[] = [];
  const load = async (devices: number): Promise<boolean> => {
    onCase(`fleet of ${devices}`);
    const rampMs = rampIntervals * intervalMs;
    const options = { ...base, devices, intervalMs, rampMs, windowMs, idle: false };
    const result = await measure('fleet-load', options);
    tried.push({ devices, ...result });
    return result.p99Ms < p99MsMax && result.unanswered === 0 && result.away === 0;
  };
  const bounds = { first: Math.min(devicesFirst, most), most, precision, triesMax };
  const largest = await findLargest(bounds, load);
  const resident: number[] = [];
  for (const devices of idleDevices) {
    onCase(`idle fleet of ${devices}`);
    const rampMs = (rampIntervals * intervalMs * devices) / most;
    const options = { ...base, devices, intervalMs: hourMs, rampMs, windowMs: idleWindowMs };
    resident.push((await measure('fleet-load', { ...options, idle: true })).residentBytes);
  }
  const rows = tried
    .toSorted((a, b) => a.devices - b.devices)
    .map((result) => [
      String(result.devices),
      number(result.exchanges / (windowMs / 1_000)),
      number(result.p50Ms),
      number(result.p99Ms),
      String(result.unanswered),
      String(result.away),
      percent(result.coordinatorCpu),
      number((1e6 * result.coordinatorCpu * (windowMs / 1_000)) / result.exchanges),
      percent(result.devicesCpu),
      number(result.loopLateP99Ms),
    ]);
  const capped = most < aim && largest === most ? ` (no more were tried: ${whyNoMore(most)})` : '';
  return [
    `One coordinator with its broker and its SQLite file; each device exchanges every ${intervalMs / 1_000} s, and they share these cores`,
    renderTable(
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
      rows,
    ),
    `Largest fleet with p99 under ${p99MsMax / 1_000} s: ${largest} devices${capped}`,
    idleLine(idleDevices, resident),
  ].join('\n');

  function whyNoMore(devices: number): string {
    return devices < devicesMost ? `ulimit -n is ${descriptors}` : 'a smoke run';
  }
}

function idleLine(devices: readonly number[], resident: readonly number[]): string {
  const [few = 0, many = 0] = devices;
  const [before = 0, after = 0] = resident;
  const each = (after - before) / (many - few) / 1024;
  const bare = before / 2 ** 20 - (few * each) / 1024;
  return `Memory of an idle, connected device: ${number(each)} KiB (resident at ${few} and ${many}), over ${number(bare)} MiB of the process itself`;
}

/** Node raises the soft limit to the hard one by itself. */
function descriptorsMax(): number {
  const limit = spawnSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).stdout.trim();
  return limit === 'unlimited' ? Number.POSITIVE_INFINITY : Number(limit);
}

const percent = (cores: number): string => `${number(100 * cores)} %`;
