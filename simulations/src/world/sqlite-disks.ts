// The world over the production stores: each disk is a SQLite file of its own, that outlives the process that opened it.

import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSqlCoordinatorStore, openSqlite } from '@skerry/cloud-coordinator';
import { createSqliteDeviceStore, openDatabase } from '@skerry/edge-agent';
import { unwrap } from '@skerry/shared/testing';
import type { CopyableDisk } from './simulated-agent.ts';
import type { Disks } from './storm.ts';

/** Runs `action` with disks in a folder that is gone afterwards. */
export async function withSqliteDisks<T>(action: (disks: Disks) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'skerry-world-'));
  const open: { close(): unknown }[] = [];
  let copies = 0;
  try {
    return await action({
      device(device, newEpoch, bounds) {
        const diskAt = (path: string): CopyableDisk => {
          let database: ReturnType<typeof openDatabase> | undefined;
          const disk: CopyableDisk = {
            open() {
              database = openDatabase(path);
              return unwrap(createSqliteDeviceStore(unwrap(database), device, newEpoch, bounds));
            },
            close() {
              if (database?.ok) database.value.close();
            },
            copy() {
              const copy = join(folder, `${device}-${++copies}.sqlite`);
              if (database?.ok && database.value.open) database.value.exec(`VACUUM INTO '${copy}'`);
              else copyFileSync(path, copy);
              return diskAt(copy);
            },
          };
          open.push(disk);
          return disk;
        };
        return diskAt(join(folder, `${device}.sqlite`));
      },
      coordinator(clock) {
        const path = join(folder, 'coordinator.sqlite');
        let database: Awaited<ReturnType<typeof openSqlite>>;
        const disk = {
          async open() {
            database = await openSqlite(path);
            return createSqlCoordinatorStore(unwrap(database), clock);
          },
          close: () => unwrap(database).destroy(),
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
