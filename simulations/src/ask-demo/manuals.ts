// The manuals of the demo: two of Debian's documentation packages, on uninterruptible power supplies, as they ship. What
// is installed is taken; else the packages are fetched by name, and nothing is installed.

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface Manual {
  readonly uri: string;
  readonly html: Uint8Array;
}

const run = promisify(execFile);
const packages = ['apcupsd-doc', 'nut-doc'] as const;
const folders = {
  'apcupsd-doc': 'usr/share/doc/apcupsd/manual',
  'nut-doc': 'usr/share/doc/nut-doc/html',
} as const;

/** Throws where they are neither installed nor to be had. */
export async function readManuals(folder: string): Promise<readonly Manual[]> {
  const manuals: Manual[] = [];
  for (const name of packages) {
    const root = existsSync(join('/', folders[name])) ? '/' : await fetched(name, folder);
    manuals.push(...(await pagesOf(name, join(root, folders[name]))));
  }
  return manuals;
}

async function fetched(name: string, folder: string): Promise<string> {
  const out = join(folder, name);
  if (existsSync(out)) return out;
  await mkdir(folder, { recursive: true });
  await run('apt-get', ['download', name], { cwd: folder });
  const file = (await readdir(folder)).find((each) => each.startsWith(`${name}_`));
  if (file === undefined) throw new Error(`Debian has no package ${name}`);
  await run('dpkg-deb', ['-x', join(folder, file), out]);
  return out;
}

/** A user's pages: what is for developers and packagers of the software is not about the machine. */
async function pagesOf(name: string, root: string): Promise<readonly Manual[]> {
  const paths = (await readdir(root, { recursive: true })).sort();
  const pages = paths.filter(
    (path) =>
      path.endsWith('.html') &&
      !path.endsWith('index.html') &&
      !/developer|packager|solaris|qa-guide|release/.test(path),
  );
  const read = async (path: string): Promise<Manual> => ({
    uri: `${name}/${path}`,
    html: await readFile(join(root, path)),
  });
  return Promise.all(pages.map(read));
}
