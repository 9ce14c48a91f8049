// IdentityStore as files in the data folder, mode 0600. Key and certificate are one file, so that they always match.

import { generateKeyPair } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { err, failure, messageOf, ok, type Result } from '@skerry/shared';
import { writePrivateFile } from '@skerry/shared/node';
import { z } from 'zod';
import type { IdentityStore } from '../fleet/identity.ts';

const identitySchema = z.strictObject({
  key: z.string(),
  certificate: z.string(),
  authority: z.string(),
  notBeforeMs: z.number(),
  notAfterMs: z.number(),
});

export function createIdentityFiles(folder: string): IdentityStore {
  const identityFile = join(folder, 'identity.json');
  const pendingFile = join(folder, 'pending-key.pem');

  const onDisk = <T>(path: string, act: () => T): Result<T> => {
    try {
      return ok(act());
    } catch (thrown) {
      return err(failure('storage_failed', `${path}: ${messageOf(thrown)}`));
    }
  };
  const write = (path: string, text: string): Result<void> =>
    onDisk(path, () => {
      mkdirSync(folder, { recursive: true });
      writePrivateFile(path, text);
    });

  return {
    load: () =>
      onDisk(identityFile, () =>
        existsSync(identityFile)
          ? identitySchema.parse(JSON.parse(readFileSync(identityFile, 'utf8')))
          : undefined,
      ),
    save: (identity) => write(identityFile, JSON.stringify(identity)),
    async pendingKey() {
      if (existsSync(pendingFile))
        return onDisk(pendingFile, () => readFileSync(pendingFile, 'utf8'));
      const key = await newKey();
      const written = write(pendingFile, key);
      return written.ok ? ok(key) : written;
    },
    dropPendingKey: () => onDisk(pendingFile, () => rmSync(pendingFile, { force: true })),
  };
}

async function newKey(): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}
