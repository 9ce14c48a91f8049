// A TaskStore whose disk is an object: it outlives the store that holds it.

import { ok } from '@skerry/shared';
import type { CoordinatorStore } from '@skerry/sync-protocol';
import type { TaskStore } from '../learn/runs/ports.ts';

/** By device and run, the name of what it was told last. */
export type MemoryTaskDisk = Map<string, string>;

/** `ops` takes the down op of what is said. */
export function createMemoryTaskStore(
  disk: MemoryTaskDisk,
  ops: Pick<CoordinatorStore, 'append'>,
): TaskStore {
  return {
    async say(device, run, name, body, nowMs) {
      const key = `${device}/${run}`;
      const before = disk.get(key);
      if (before === name) return ok(false);
      disk.set(key, name);
      const appended = await ops.append(device, body, nowMs);
      if (appended.ok) return ok(true);
      if (before === undefined) disk.delete(key);
      else disk.set(key, before);
      return appended;
    },

    async forget(run) {
      for (const key of disk.keys()) if (key.endsWith(`/${run}`)) disk.delete(key);
      return ok(undefined);
    },
  };
}
