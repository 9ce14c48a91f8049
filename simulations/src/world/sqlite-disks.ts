// The world over the production stores: each disk is a SQLite file of its own, that outlives the process that opened it.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSqlCoordinatorStore, openSqlite } from '@skerry/cloud-coordinator';
import { createSqliteDeviceStore, openDatabase } from '@skerry/edge-agent';
import { assert, type Result } from '@skerry/shared';
import type { Disks } from './partition-and-heal.ts';

/** Runs `action` with disks in a folder that is gone afterwards. */
export async function withSqliteDisks<T>(action: (disks: Disks) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'skerry-world-'));
  const open: { close(): unknown }[] = [];
  try {
    return await action({
      device(device, epoch, bounds) {
        const path = join(folder, `${device}.sqlite`);
        let database: ReturnType<typeof openDatabase>;
        const disk = {
          open() {
            database = openDatabase(path);
            return value(createSqliteDeviceStore(value(database), device, () => epoch, bounds));
          },
          close: () => void value(database).close(),
        };
        open.push(disk);
        return disk;
      },
      coordinator() {
        const path = join(folder, 'coordinator.sqlite');
        let database: Awaited<ReturnType<typeof openSqlite>>;
        const disk = {
          async open() {
            database = await openSqlite(path);
            return createSqlCoordinatorStore(value(database));
          },
          close: () => value(database).destroy(),
        };
        open.push(disk);
        return disk;
      },
    });
  } finally {
    for (const disk of open) await disk.close();
    rmSync(folder, { recursive: true });
  }
}

function value<T>(result: Result<T>): T {
  assert(result.ok, 'a simulated disk never fails');
  return result.value;
}
