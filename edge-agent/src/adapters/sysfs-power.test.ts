import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createVirtualClock } from '@skerry/shared/testing';
import { expect, it, onTestFinished, vi } from 'vitest';
import { createSysfsPower, readPower } from './sysfs-power.ts';

async function sysfs(files: Readonly<Record<string, string>>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'skerry-sysfs-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    const file = join(root, 'class', path);
    await mkdir(join(file, '..'), { recursive: true });
    await writeFile(file, `${text}\n`);
  }
  return root;
}

const battery = {
  'power_supply/BAT0/type': 'Battery',
  'power_supply/BAT0/capacity': '12',
  'power_supply/BAT0/status': 'Discharging',
};

it.each([
  ['nothing', {}, {}],
  ['a battery', battery, { batteryShare: 0.12, discharging: true }],
  [
    'the battery of the device, not of its mouse, nor the mains',
    {
      ...battery,
      'power_supply/AC/type': 'Mains',
      'power_supply/hid/type': 'Battery',
      'power_supply/hid/scope': 'Device',
      'power_supply/hid/capacity': '3',
    },
    { batteryShare: 0.12, discharging: true },
  ],
  [
    'the hottest zone, and no broken sensor',
    {
      'thermal/thermal_zone0/temp': '41500',
      'thermal/thermal_zone1/temp': '63000',
      'thermal/thermal_zone2/temp': '-274000',
      'thermal/thermal_zone3/temp': 'N/A',
      'thermal/cooling_device0/cur_state': '0',
    },
    { celsius: 63 },
  ],
  ['a battery that says nonsense', { ...battery, 'power_supply/BAT0/capacity': 'low' }, {}],
])('reads %s', async (_, files, reading) =>
  expect(await readPower(await sysfs(files))).toEqual(reading),
);

it('answers at once with the latest it has read, and reads anew after a while', async () => {
  const root = await sysfs(battery);
  const clock = createVirtualClock();
  const power = createSysfsPower(clock, root);
  expect(power()).toEqual({});
  await vi.waitFor(() => expect(power().batteryShare).toBe(0.12));
  await writeFile(join(root, 'class/power_supply/BAT0/capacity'), '11');
  expect(power().batteryShare).toBe(0.12);
  clock.runNext(5_000);
  await vi.waitFor(() => expect(power().batteryShare).toBe(0.11));
});
