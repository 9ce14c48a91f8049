// Slots of models in a folder: {model}/{a|b}/, as any bundle's folder. What a slot holds the database says, and the
// digests prove; so a folder that a crash has left half written is just one that is not read.

import { mkdir, readFile, rename, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readBundle } from '@skerry/models/node';
import { assert, err, failure } from '@skerry/shared';
import { attempt, flushFolder, writeFlushed } from '@skerry/shared/node';
import { evidencePath, type ModelSlots } from '../update/update-ports.ts';

/** Root and the targets roles that lead to one path, each as large as a client reads. */
const evidenceBytesMax = 67_108_864;

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
          await writeFlushed(draft, bytes);
          await rename(draft, at);
        }
        for (const each of folders) await flushFolder(each);
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

    readEvidence: (model, slot) =>
      attempt(async () => {
        const at = join(root, model, slot, evidencePath);
        const { size } = await stat(at).catch(() => ({ size: undefined }));
        if (size === undefined) return undefined;
        assert(size <= evidenceBytesMax, `${at} has ${size} bytes`);
        return readFile(at);
      }),

    writeEvidence: (model, slot, evidence) =>
      attempt(async () => {
        const folder = join(root, model, slot);
        const draft = join(folder, `${evidencePath}.draft`);
        await writeFlushed(draft, evidence);
        await rename(draft, join(folder, evidencePath));
        await flushFolder(folder);
      }),

    freeBytes: () =>
      attempt(async () => {
        await mkdir(root, { recursive: true });
        const { bavail, bsize } = await statfs(root);
        return bavail * bsize;
      }),
  };
}
