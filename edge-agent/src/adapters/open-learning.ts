// Learning, put together over the device's database, its blobs and its outbox.

import { err, failure, ok, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import type { DeviceStore } from '@skerry/sync-protocol';
import { type BlobRef, type BlobStore, storeBytes } from '@skerry/sync-protocol/blobs';
import type { ExampleBounds } from '../learn/example-store.ts';
import type { ClientRunner, LearnBlobs, LearningPorts } from '../learn/learn-ports.ts';
import type { Transfers } from '../sync/transfers.ts';
import type { UploadFirst } from '../sync/upload-first.ts';
import type { SqliteDatabase } from './sqlite-database.ts';
import { createSqliteExampleStore } from './sqlite-example-store.ts';
import { createSqliteRoundStore } from './sqlite-round-store.ts';

/** What learning moves. */
export interface LearnTransport {
  readonly blobs: LearnBlobs;
  readonly uploadFirst: Pick<UploadFirst, 'append'>;
}

/** @param wanted digests that are on their way here, and must not be evicted */
export function createLearnBlobs(
  store: BlobStore,
  transfers: Pick<Transfers, 'fetch' | 'drop'>,
  wanted: Set<string>,
): LearnBlobs {
  const read = async ({ digest, bytes }: BlobRef): Promise<Result<Uint8Array>> => {
    const all = await store.read(digest, 0, bytes);
    return !all.ok || all.value.length === bytes
      ? all
      : err(failure('digest_mismatch', `${digest} has ${all.value.length} bytes, not ${bytes}`));
  };
  return {
    async fetch(ref) {
      wanted.add(ref.digest);
      try {
        const fetched = await transfers.fetch(ref);
        return fetched.ok ? await read(ref) : fetched;
      } finally {
        wanted.delete(ref.digest);
      }
    },
    drop: transfers.drop,
    async put(bytes) {
      const ref = { digest: sha256(bytes), bytes: bytes.length };
      const stored = await storeBytes(store, ref, bytes);
      return stored.ok ? ok(ref) : stored;
    },
    remove: (digest) => store.remove(digest),
  };
}

export function openLearning(
  bounds: ExampleBounds,
  ports: {
    readonly database: SqliteDatabase;
    readonly store: Pick<DeviceStore, 'append'>;
    readonly transport: LearnTransport;
    readonly runner: ClientRunner;
    readonly nowMs: () => number;
    readonly onAppended: () => void;
  },
): LearningPorts {
  const { database, store, transport, runner, nowMs, onAppended } = ports;
  return {
    examples: createSqliteExampleStore(database, bounds),
    rounds: createSqliteRoundStore(database),
    blobs: transport.blobs,
    runner,
    reply(body, effect) {
      const appended = store.append(body, nowMs(), effect);
      if (!appended.ok) return appended;
      onAppended();
      return ok(undefined);
    },
    replyWithBlob: (body, blob, effect) =>
      transport.uploadFirst.append(body, blob, nowMs(), effect),
  };
}
