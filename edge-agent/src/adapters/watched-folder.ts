// A folder on disk as a source of documents. Links are not followed: neither to files nor to folders, and not those that
// were put there between a look and a read.

import { type FSWatcher, type Stats, watch } from 'node:fs';
import { constants, lstat, open, readdir, realpath } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { err, failure, messageOf, ok, type Result } from '@skerry/shared';
import { documentBytesMax } from '../retrieve/read/reading.ts';
import type { FolderPort } from '../retrieve/sources/folder-source.ts';
import { isTemporary } from '../retrieve/sources/media-type.ts';
import type { FolderLook, SeenFile } from '../retrieve/sources/plan-folder.ts';
import type { FolderSource } from '../retrieve/sources/source-config.ts';

/** Folders of which changes are heard at once; what lies in others is found by the next look. */
const watchedMax = 256;

type Bounds = Pick<FolderSource, 'filesMax' | 'bytesMax' | 'depthMax'>;

export function createWatchedFolder(folder: string, bounds: Bounds): FolderPort {
  const watchers = new Map<string, FSWatcher>();
  let onChange: (() => void) | undefined;

  /** Those that are there now, and no others. */
  const watchAll = (folders: readonly string[]): void => {
    if (onChange === undefined) return;
    const wanted = new Set(folders.slice(0, watchedMax));
    for (const [path, watcher] of watchers)
      if (!wanted.has(path)) {
        watcher.close();
        watchers.delete(path);
      }
    for (const path of wanted) if (!watchers.has(path)) watchOne(path, onChange);
  };

  const watchOne = (path: string, tell: () => void): void => {
    try {
      const watcher = watch(path, { persistent: false }, tell);
      watchers.set(path, watcher);
      watcher.on('error', () => {
        watcher.close();
        watchers.delete(path);
      });
    } catch {
      // The system has no more of them, or the folder has gone: the next look comes all the same.
    }
  };

  return {
    async list() {
      try {
        const { look, folders } = await walk(await realpath(folder), bounds);
        watchAll(folders);
        return ok(look);
      } catch (thrown) {
        return err(failure('unavailable', messageOf(thrown)));
      }
    },
    read: async (file) => readInside(folder, file),
    watch(tell) {
      onChange = tell;
    },
    close() {
      onChange = undefined;
      for (const watcher of watchers.values()) watcher.close();
      watchers.clear();
    },
  };
}

/** Throws where the folder itself cannot be read; of those in it the look is cut. */
async function walk(
  root: string,
  { filesMax, bytesMax, depthMax }: Bounds,
): Promise<{ readonly look: FolderLook; readonly folders: readonly string[] }> {
  const files: SeenFile[] = [];
  const folders = [root];
  let bytes = 0;
  let cut: string | undefined;
  const depthOf = (path: string): number =>
    path === root ? 0 : relative(root, path).split(sep).length;
  for (let i = 0; i < folders.length; i++) {
    const path = folders[i] as string;
    const found = await readdir(path, { withFileTypes: true }).catch((thrown) => {
      if (path === root) throw thrown;
      cut ??= messageOf(thrown);
      return [];
    });
    for (const entry of found.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (isTemporary(entry.name)) continue;
      const inside = join(path, entry.name);
      if (entry.isDirectory()) {
        if (depthOf(inside) > depthMax) cut ??= `deeper than ${depthMax} folders`;
        else if (folders.length >= filesMax) cut ??= `more than ${filesMax} folders`;
        else folders.push(inside);
        continue;
      }
      if (!entry.isFile()) continue;
      if (files.length >= filesMax) {
        cut ??= `more than ${filesMax} files`;
        return { look: { files, cut }, folders };
      }
      const stats = await lstat(inside).catch(() => undefined);
      if (!stats?.isFile()) continue;
      if (bytes + stats.size > bytesMax) {
        cut ??= `more than ${bytesMax} bytes`;
        continue;
      }
      bytes += stats.size;
      const shown = relative(root, inside).split(sep).join('/');
      files.push({ path: shown, bytes: stats.size, mtimeMs: stats.mtimeMs });
    }
  }
  return { look: cut === undefined ? { files } : { files, cut }, folders };
}

/** What was opened lies where it was looked for: a folder on the way may have become a link between look and opening. */
async function isStillAt(path: string, { ino, dev }: Stats): Promise<boolean> {
  const there = await lstat(path);
  return there.ino === ino && there.dev === dev && (await realpath(path)) === path;
}

/** As it was when it was seen, and no other file that its path has come to mean. */
async function readInside(folder: string, file: SeenFile): Promise<Result<Uint8Array>> {
  const { path, bytes, mtimeMs } = file;
  if (bytes > documentBytesMax)
    return err(failure('too_large', `${bytes} bytes; at most ${documentBytesMax}`));
  const gone = err(failure('not_found', `${path} is not there as it was`));
  try {
    const root = await realpath(folder);
    const wanted = join(root, ...path.split('/'));
    if ((await realpath(wanted)) !== wanted) return gone;
    // Who opens a pipe waits for somebody to write to it: a file may have become one since it was seen.
    const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
    const handle = await open(wanted, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    try {
      const before = await handle.stat();
      if (!before.isFile() || !(await isStillAt(wanted, before))) return gone;
      const content = Buffer.alloc(bytes + 1);
      let read = 0;
      for (let more = -1; more !== 0 && read <= bytes; read += more)
        more = (await handle.read(content, read, content.length - read)).bytesRead;
      const after = await handle.stat();
      const isSame = read === bytes && after.size === bytes && after.mtimeMs === mtimeMs;
      return isSame ? ok(new Uint8Array(content.subarray(0, bytes))) : gone;
    } finally {
      await handle.close();
    }
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ELOOP' || code === 'ENOTDIR' || code === 'ENXIO')
      return gone;
    if (code === 'EACCES' || code === 'EPERM')
      return err(failure('permission_denied', `${path} may not be read`));
    return err(failure('unavailable', messageOf(thrown)));
  }
}
