// A file that its owner alone may read, whole or not there at all.

import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';

/** Mode 0600 from the first byte on; a crash leaves the old file or the new one. Throws what the file system throws. */
export function writePrivateFile(path: string, text: string): void {
  const draft = `${path}.${process.pid}.draft`;
  const file = openSync(draft, 'w', 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(draft, path);
}
