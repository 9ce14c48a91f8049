// Files that are closed whatever happens, and folders whose names are durable. Both throw what the file system throws.

import { type FileHandle, open } from 'node:fs/promises';

export async function withFile<T>(
  path: string,
  flags: string,
  use: (file: FileHandle) => Promise<T>,
): Promise<T> {
  const file = await open(path, flags);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/** What was created in it, renamed or removed survives a crash then. */
export const flushFolder = (path: string): Promise<void> =>
  withFile(path, 'r', (folder) => folder.sync());

/** Durable as bytes; under its name only after `flushFolder`. */
export const writeFlushed = (path: string, bytes: Uint8Array): Promise<void> =>
  withFile(path, 'w', async (file) => {
    await file.writeFile(bytes);
    await file.sync();
  });
