// Slots of models in a folder: {model}/{a|b}/, as any bundle's folder. What a slot holds the database says, and the
// digests prove; so a folder that a crash has left half written is just one that is not read.

import type { FileHandle } from 'node:fs/promises';
import { mkdir, open, rename, rm, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readBundle } from '@skerry/models/node';
import { err, failure, messageOf, ok, type Result } from '@skerry/shared';
import type { ModelSlots } from '../update/update-ports.ts';

export function createFileSlots(root: string): ModelSlots {
  return {
    write: (model, slot, files) =>
      attempt(async () => {
        const folder = join(root, model, slot);
        await rm(folder, { recursive: true, force: true });
        const folders = new Set([dirname(dirname(folder)), dirname(folder), folder]);
        for (const { path, bytes } of files) {
          const at = join(folder, path);
          await mkdir(dirname(at), { recursive: true });
          folders.add(dirname(at));
          const draft = `${at}.draft`;
          await withFile(draft, 'w', async (file) => {
            await file.writeFile(bytes);
            await file.sync();
          });
          await rename(draft, at);
        }
        for (const each of folders) await withFile(each, 'r', (directory) => directory.sync());
      }),

    async read(model, slot, { bundle, variant }) {
      const read = await readBundle(join(root, model, slot), ['edge'], variant);
      if (!read.ok || read.value.digest === bundle) return read;
      return err(
        failure(
          'digest_mismatch',
          `slot ${slot} of ${model} holds ${read.value.digest}, not ${bundle}`,
        ),
      );
    },

    freeBytes: () =>
      attempt(async () => {
        await mkdir(root, { recursive: true });
        const { bavail, bsize } = await statfs(root);
        return bavail * bsize;
      }),
  };
}

async function withFile(
  path: string,
  flags: 'r' | 'w',
  use: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const file = await open(path, flags);
  try {
    await use(file);
  } finally {
    await file.close();
  }
}

async function attempt<T>(action: () => Promise<T>): Promise<Result<T>> {
  try {
    return ok(await action());
  } catch (thrown) {
    return err(failure('storage_failed', messageOf(thrown)));
  }
}
