import { assert, ok, silentLog } from '@skerry/shared';
import { createVirtualClock } from '@skerry/shared/testing';
import type { DeviceStatus } from '@skerry/sync-protocol';
import { expect, it } from 'vitest';
import { createDeviceDirectory } from './device-directory.ts';
import { openDeviceRegistry } from './device-registry.ts';

const bundle = `sha256:${'a'.repeat(64)}`;
const status = {
  target: 'linux-x64',
  models: [{ name: 'digits', version: '1.0.0', variant: bundle, bundle }],
  recent: [],
} as unknown as DeviceStatus;

it('[DIR3] a device reads the deltas that it says it reads', async () => {
  const views = [
    { device: 'box', status: { ...status, deltas: [1, 2] } },
    { device: 'old', status },
  ];
  const directory = createDeviceDirectory({ list: () => views as never });
  const listed = await directory.list(10);
  assert(listed.ok, 'a list');
  expect(listed.value.map(({ deltas }) => deltas)).toEqual([[1, 2], undefined]);
});

it('[ROL8] a device is believed to run what it said, from when it said so, not from when it was heard', async () => {
  const clock = createVirtualClock(1_000);
  const opened = await openDeviceRegistry(
    { devicesMax: 2, offlineAfterMs: 60_000, saveEveryMs: 1_000 },
    { load: async () => ok([]), save: async () => ok(undefined) },
    clock,
    silentLog,
  );
  assert(opened.ok, 'the registry opens');
  const directory = createDeviceDirectory(opened.value);
  opened.value.heard('box', 'e', status);
  clock.runNext(1_500);
  opened.value.heard('box', 'e', undefined);
  const running = { digits: bundle };
  expect(await directory.list(10)).toMatchObject({ value: [{ seenMs: 1_000, running }] });
  opened.value.heard('box', 'e', status);
  expect(await directory.list(10)).toMatchObject({ value: [{ seenMs: 1_500, running }] });
  await opened.value.close();
});
