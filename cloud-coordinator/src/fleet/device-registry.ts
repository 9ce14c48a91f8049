// Which devices there are, and how each was when it was last heard. Reads come from memory; what changed is written
// down from time to time, in one go, for a heartbeat that is lost in a crash is replaced by the next.

import {
  type Clock,
  defined,
  err,
  failure,
  type Log,
  ok,
  type Result,
  type Timer,
} from '@skerry/shared';
import type { DeviceStatus } from '@skerry/sync-protocol';

export interface DeviceRecord {
  readonly device: string;
  /** Its incarnation when last heard. */
  readonly epoch: string;
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
  /** Its latest status, where it has sent one. */
  readonly status: DeviceStatus | undefined;
}

export interface DeviceView extends DeviceRecord {
  readonly online: boolean;
  /** When its status came: not each Exchange brings one. Absent since the last start of this process. */
  readonly statusMs?: number;
}

/** Where the registry outlives the process. */
export interface DeviceTable {
  /** Those heard last, first. */
  load(devicesMax: number): Promise<Result<readonly DeviceRecord[]>>;
  save(records: readonly DeviceRecord[]): Promise<Result<void>>;
}

export interface DeviceRegistryLimits {
  readonly devicesMax: number;
  /** A device that was not heard for so long is offline, whatever its link says. */
  readonly offlineAfterMs: number;
  readonly saveEveryMs: number;
}

export interface DeviceRegistry {
  /** An Exchange came. Fails with `overloaded` for one device too many. */
  heard(device: string, epoch: string, status: DeviceStatus | undefined): Result<void>;
  /** The pipe says that a device's link came up or was lost. */
  linked(device: string, up: boolean): void;
  /** By name, from the one after `after` on. */
  list(devicesMax: number, after?: string): readonly DeviceView[];
  get(device: string): DeviceView | undefined;
  /** The latest of each device that has sent one. */
  statuses(): readonly DeviceStatus[];
  totals(): { readonly known: number; readonly online: number };
  close(): Promise<void>;
}

interface Entry {
  record: DeviceRecord;
  linkUp: boolean;
  statusMs?: number;
}

/** Fails with what the table failed with. */
export async function openDeviceRegistry(
  limits: DeviceRegistryLimits,
  table: DeviceTable,
  clock: Clock,
  log: Log,
): Promise<Result<DeviceRegistry>> {
  const loaded = await table.load(limits.devicesMax);
  if (!loaded.ok) return loaded;
  const entries = new Map(
    loaded.value.map((record): [string, Entry] => [record.device, { record, linkUp: true }]),
  );
  const changed = new Set<Entry>();
  let timer: Timer | undefined;
  let saving: Promise<void> = Promise.resolve();

  const save = async (): Promise<void> => {
    timer?.cancel();
    timer = undefined;
    const batch = [...changed];
    changed.clear();
    if (batch.length === 0) return;
    const saved = await table.save(batch.map((entry) => entry.record));
    if (saved.ok) return;
    log.error({ code: saved.error.code, reason: saved.error.message }, 'cannot save the devices');
    for (const entry of batch) changed.add(entry);
  };

  const note = (entry: Entry): void => {
    changed.add(entry);
    timer ??= clock.after(limits.saveEveryMs, () => {
      saving = save();
    });
  };

  const isOnline = ({ record, linkUp }: Entry): boolean =>
    linkUp && clock.nowMs() - record.lastSeenMs < limits.offlineAfterMs;

  const view = (entry: Entry): DeviceView => ({
    ...entry.record,
    online: isOnline(entry),
    ...(entry.statusMs === undefined ? {} : { statusMs: entry.statusMs }),
  });

  return ok({
    heard(device, epoch, status) {
      const known = entries.get(device);
      if (known === undefined && entries.size >= limits.devicesMax)
        return err(failure('overloaded', `${limits.devicesMax} devices are known already`));
      const nowMs = clock.nowMs();
      const record: DeviceRecord = {
        device,
        epoch,
        firstSeenMs: known?.record.firstSeenMs ?? nowMs,
        lastSeenMs: nowMs,
        status: status ?? known?.record.status,
      };
      const entry = known ?? { record, linkUp: true };
      entry.record = record;
      if (status !== undefined) entry.statusMs = nowMs;
      entry.linkUp = true; // Whoever speaks is there, whatever its last will said.
      entries.set(device, entry);
      note(entry);
      return ok(undefined);
    },
    linked(device, up) {
      const entry = entries.get(device);
      if (entry !== undefined) entry.linkUp = up;
    },
    list: (devicesMax, after = '') =>
      [...entries.keys()]
        .filter((device) => device > after)
        .sort()
        .slice(0, devicesMax)
        .map((device) => view(defined(entries.get(device), 'a listed device'))),
    get(device) {
      const entry = entries.get(device);
      return entry && view(entry);
    },
    statuses: () => [...entries.values()].flatMap(({ record }) => record.status ?? []),
    totals() {
      let online = 0;
      for (const entry of entries.values()) if (isOnline(entry)) online += 1;
      return { known: entries.size, online };
    },
    async close() {
      await saving;
      await save();
    },
  });
}
