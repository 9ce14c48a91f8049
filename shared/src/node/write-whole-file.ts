// A file that is there whole or not at all, whatever ends the process or the machine.

import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';

/** A crash leaves the old file or the new one. Throws what the file system throws. */
export function writeWholeFile(path: string, text: string, mode = 0o666): void {
  const draft = `${path}.${process.pid}.draft`;
  const file = openSync(draft, 'w', mode);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(draft, path);
}

/** The same for its owner alone: mode 0600 from the first byte on. */
export const writePrivateFile = (path: string, text: string): void =>
  writeWholeFile(path, text, 0o600);
