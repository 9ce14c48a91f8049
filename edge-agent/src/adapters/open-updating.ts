// Updates of models, put together: where a root of trust is configured, and nowhere else.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { applyDeltaApart, deltaForms } from '@skerry/models/node';
import { type Clock, err, failure, messageOf, ok, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import type { DeviceStore } from '@skerry/sync-protocol';
import type { CollectionTrust } from '../retrieve/travel/take-snapshot.ts';
import type { UpdatingPorts } from '../update/open-updates.ts';
import type { UpdateBlobs, UpdateTrust } from '../update/update-ports.ts';
import type { Fetch } from './coordinator-fetch.ts';
import { createFileSlots } from './file-slots.ts';
import type { SqliteDatabase } from './sqlite-database.ts';
import { createSqliteAssignmentInbox, createSqliteUpdateStore } from './sqlite-update-store.ts';

export interface UpdatingConfig {
  readonly dataDir: string;
  readonly coordinatorUrl?: string | undefined;
  /** A file: the root.json that ships with the device. */
  readonly updateRoot?: string | undefined;
}

export async function openUpdating(
  { dataDir, coordinatorUrl, updateRoot }: UpdatingConfig,
  ports: {
    readonly database: SqliteDatabase;
    readonly store: Pick<DeviceStore, 'append'>;
    readonly blobs: UpdateBlobs;
    readonly fetch: Fetch;
    readonly clock: Clock;
    readonly memoryBytesMax: number;
  },
): Promise<
  Result<(UpdatingPorts & { readonly trust: UpdateTrust & CollectionTrust }) | undefined>
> {
  if (updateRoot === undefined) return ok(undefined);
  let trustedRoot: Uint8Array;
  try {
    trustedRoot = new Uint8Array(await readFile(updateRoot));
  } catch (thrown) {
    return err(failure('invalid_config', `--update-root: ${messageOf(thrown)}`));
  }
  const { database, store, blobs, clock, memoryBytesMax } = ports;
  // Loaded here, for many devices take no updates: TUF's client would be a twentieth of each start.
  const { openUpdateTrust } = await import('./open-update-trust.ts');
  return ok({
    store: createSqliteUpdateStore(database, store, clock.nowMs),
    inbox: createSqliteAssignmentInbox(database),
    slots: createFileSlots(join(dataDir, 'models')),
    blobs,
    trust: openUpdateTrust({ dataDir, coordinatorUrl, trustedRoot }, ports),
    applyDelta: applyDeltaApart,
    deltaForms,
    sha256,
    limits: { memoryBytesMax },
  });
}
