// The fleet as rollouts and learning runs see it: who is there, what each says that it runs and could learn from.

import { defaultSite, ok } from '@skerry/shared';
import type { LearnDevices } from '../learn/runs/index.ts';
import type { DeviceDirectory, FleetDevice } from '../update/rollouts/index.ts';
import type { DeviceRegistry, DeviceView } from './device-registry.ts';

/** A page after the first is of the fleet as it was at the first: sorted once, and not a thousand devices at a time. */
export function createDeviceDirectory(devices: Pick<DeviceRegistry, 'list'>): DeviceDirectory {
  let all: readonly FleetDevice[] = [];
  let places = new Map<string, number>();
  return {
    async list(devicesMax, after) {
      if (after === undefined) {
        all = devices.list(Number.POSITIVE_INFINITY).map(fleetDevice);
        places = new Map(all.map(({ device }, i) => [device, i]));
      }
      const from = after === undefined ? 0 : (places.get(after) ?? all.length - 1) + 1;
      return ok(all.slice(from, from + devicesMax));
    },
  };
}

/** Read anew at each look: who was idle may be so no more. */
export const createLearnDevices = (devices: Pick<DeviceRegistry, 'list'>): LearnDevices => ({
  list: () =>
    devices.list(Number.POSITIVE_INFINITY).map((view) => {
      const { device, online, site, target, labels, running } = fleetDevice(view);
      const learn = view.status?.learn;
      const variants = Object.fromEntries(
        (view.status?.models ?? []).map(({ name, variant }) => [name, variant]),
      );
      const known = { device, online, site, target, labels, running, variants };
      return learn === undefined ? known : { ...known, learn };
    }),
});

function fleetDevice({ device, online, statusMs = 0, status }: DeviceView): FleetDevice {
  const running = (status?.models ?? []).flatMap(({ name, bundle }) =>
    bundle === undefined ? [] : [[name, bundle] as const],
  );
  return {
    device,
    online,
    seenMs: statusMs,
    site: status?.site ?? defaultSite,
    target: status?.target ?? 'unknown',
    labels: status?.labels ?? [],
    running: Object.fromEntries(running),
    ...(status?.deltas && { deltas: status.deltas }),
  };
}
