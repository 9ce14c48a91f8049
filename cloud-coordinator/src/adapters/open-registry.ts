// The registry of a coordinator's data folder, with the key that signs its events: made with the first of them, for what it
// protects is the log's history and not what devices run.

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, collect, err, failure, ok, type Result } from '@skerry/shared';
import type { Signer } from '@skerry/shared/node';
import type { BlobReferences, BlobStore } from '@skerry/sync-protocol/blobs';
import type { Kysely } from 'kysely';
import { createRegistry, type Registry } from '../update/registry/index.ts';
import { makeKey, openSigner, readPublicKey } from './key-files.ts';
import type { Schema } from './schema.ts';
import { createSqlEventLog } from './sql-event-log.ts';

export interface RegistryAdapters {
  readonly database: Kysely<Schema>;
  readonly blobs: BlobStore;
  readonly references: BlobReferences;
  readonly clock: Clock;
}

const keyFile = 'registry-key.pem';
/** Of keys that have signed before: a key is changed by giving the old one's public half another such name. */
const publicKeys = /^registry-key.*\.pub$/;

/** Fails with `invalid_config` where there are events and their key is gone: by another none of them would be believed. */
export async function openRegistry(
  dataDir: string,
  { database, ...ports }: RegistryAdapters,
): Promise<Result<Registry>> {
  const logs = createSqlEventLog(database, 'model');
  const models = await logs.list();
  if (!models.ok) return models;
  const signer = openKey(join(dataDir, keyFile), models.value.length > 0);
  if (!signer.ok) return signer;
  const names = readdirSync(dataDir).filter((name) => publicKeys.test(name));
  const keys = collect(names.map((name) => readPublicKey(join(dataDir, name))));
  if (!keys.ok) return keys;
  return ok(createRegistry({ ...ports, logs, signer: signer.value, keys: keys.value }));
}

function openKey(path: string, hasEvents: boolean): Result<Signer> {
  if (existsSync(path)) return openSigner(path);
  if (hasEvents)
    return err(
      failure('invalid_config', `${path} is gone: bring it back with the database it belongs to`),
    );
  return makeKey(path, 'ed25519');
}
