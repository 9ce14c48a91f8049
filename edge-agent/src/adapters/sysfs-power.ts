// Battery and heat as Linux tells them (Documentation/ABI/testing/sysfs-class-power and sysfs-class-thermal). Read in the
// background, at most every few seconds, so that a request never waits for a file; what is not there is not said.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '@skerry/shared';
import type { PowerReading } from '../route/strain.ts';

const readEveryMs = 5_000;
/** What a broken sensor says lies outside. */
const plausibleCelsius = { min: -40, max: 150 };

/** @param root where sysfs is mounted */
export function createSysfsPower(clock: Clock, root = '/sys'): () => PowerReading {
  let latest: PowerReading = {};
  let readAtMs = Number.NEGATIVE_INFINITY;
  return () => {
    const nowMs = clock.monotonicMs();
    if (nowMs - readAtMs >= readEveryMs) {
      readAtMs = nowMs;
      void readPower(root).then((reading) => {
        latest = reading;
      });
    }
    return latest;
  };
}

/** Never throws: a file that cannot be read is one that is not there. */
export async function readPower(root: string): Promise<PowerReading> {
  const [supplies, zones] = await Promise.all([
    folders(join(root, 'class/power_supply')),
    folders(join(root, 'class/thermal')),
  ]);
  const batteries = (await Promise.all(supplies.map(readBattery))).filter((b) => b !== undefined);
  const temperatures = (await Promise.all(zones.map(readCelsius))).filter((t) => t !== undefined);
  const [battery] = batteries.sort((a, b) => a.batteryShare - b.batteryShare);
  return {
    ...battery,
    ...(temperatures.length === 0 ? {} : { celsius: Math.max(...temperatures) }),
  };
}

async function readBattery(folder: string) {
  const [type, scope, capacity, status] = await Promise.all(
    ['type', 'scope', 'capacity', 'status'].map((name) => readText(join(folder, name))),
  );
  // With scope Device it is a mouse's, or another peripheral's.
  if (type !== 'Battery' || scope === 'Device' || !/^\d{1,3}$/.test(capacity ?? ''))
    return undefined;
  return {
    batteryShare: Math.min(1, Number(capacity) / 100),
    discharging: status === 'Discharging',
  };
}

async function readCelsius(folder: string): Promise<number | undefined> {
  const milli = await readText(join(folder, 'temp'));
  const celsius = milli === undefined || milli === '' ? Number.NaN : Number(milli) / 1_000;
  const { min, max } = plausibleCelsius;
  return celsius > min && celsius < max ? celsius : undefined;
}

const folders = (parent: string): Promise<string[]> =>
  readdir(parent).then(
    (names) => names.map((name) => join(parent, name)),
    () => [],
  );

const readText = (path: string): Promise<string | undefined> =>
  readFile(path, 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  );
