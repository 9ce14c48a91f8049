// `npm run models` as a user calls it, but for the build.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const main = fileURLToPath(new URL('../../../models/dist/main.js', import.meta.url));

/** What the command says; throws with what it complains of. */
export async function modelsCommand(...argv: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [main, ...argv]);
  return stdout;
}
