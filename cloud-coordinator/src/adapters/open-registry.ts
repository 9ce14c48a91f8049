// The registry of a coordinator's data folder, with the key that signs its events: made at the first start, for what it
// protects is the log's history and not what devices run.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, ok, type Result } from '@skerry/shared';
import type { BlobReferences, BlobStore } from '@skerry/sync-protocol/blobs';
import type { Kysely } from 'kysely';
import { createRegistry, type Registry } from '../update/registry/index.ts';
import { makeKey, openSigner } from './key-files.ts';
import type { Schema } from './schema.ts';
import { createSqlEventLog } from './sql-event-log.ts';

export interface RegistryAdapters {
  readonly database: Kysely<Schema>;
  readonly blobs: BlobStore;
  readonly references: BlobReferences;
  readonly clock: Clock;
}

export function openRegistry(
  dataDir: string,
  { database, blobs, references, clock }: RegistryAdapters,
): Result<Registry> {
  const path = join(dataDir, 'registry-key.pem');
  const signer = existsSync(path) ? openSigner(path) : makeKey(path, 'ed25519');
  if (!signer.ok) return signer;
  const logs = createSqlEventLog(database, 'model');
  return ok(createRegistry({ logs, blobs, references, signer: signer.value, keys: [], clock }));
}
