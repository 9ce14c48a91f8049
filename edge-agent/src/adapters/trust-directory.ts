// TrustFiles in a folder: root.json and the others as TUF clients keep them, and our own state beside them.

import { mkdir, readdir, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Result } from '@skerry/shared';
import { attempt, writeFlushed } from '@skerry/shared/node';
import type { TrustFiles } from '../update/trust/trust-disk.ts';

const fileBytesMax = 5_000_000;
/** Delegated roles are fetched again where there are more. */
const filesMax = 256;
const topLevel = ['root.json', 'timestamp.json', 'snapshot.json', 'targets.json'];
const stateFile = 'trust-state';
const lineageFile = 'root-lineage';

export function createTrustDirectory(folder: string): TrustFiles {
  const here = <T>(action: () => Promise<T>): Promise<Result<T>> => attempt(action, folder);
  const save = (name: string, bytes: Uint8Array): Promise<Result<void>> =>
    here(async () => {
      await mkdir(folder, { recursive: true });
      const draft = join(folder, `.${name}.draft`);
      await writeFlushed(draft, bytes);
      await rename(draft, join(folder, name));
    });

  /** null: there is none, or it is damaged. */
  const loadJson = (name: string): Promise<Result<unknown>> =>
    here(async () => {
      const text = await readFile(join(folder, name), 'utf8').catch(absent('null'));
      try {
        return JSON.parse(text) as unknown;
      } catch {
        return null;
      }
    });

  return {
    load: () =>
      here(async () => {
        const all = (await readdir(folder).catch(absent([]))).filter((name) =>
          name.endsWith('.json'),
        );
        const names = all.length > filesMax ? all.filter((name) => topLevel.includes(name)) : all;
        const files = new Map<string, Uint8Array>();
        for (const name of names) {
          const path = join(folder, name);
          if ((await stat(path)).size <= fileBytesMax)
            files.set(name, new Uint8Array(await readFile(path)));
        }
        return files;
      }),

    save,

    // Damaged: the floor begins again, and the metadata raises it.
    loadState: () => loadJson(stateFile),
    saveState: (state) => save(stateFile, Buffer.from(JSON.stringify(state))),

    loadLineage: () => loadJson(lineageFile),
    saveLineage: (lineage) => save(lineageFile, Buffer.from(JSON.stringify(lineage))),
  };
}

const absent =
  <T>(fallback: T) =>
  (thrown: unknown): T => {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return fallback;
    throw thrown;
  };
