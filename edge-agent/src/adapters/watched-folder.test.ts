import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defined } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import { expect, it, onTestFinished, vi } from 'vitest';
import { createWatchedFolder } from './watched-folder.ts';

const bounds = { filesMax: 100, bytesMax: 1_000_000, depthMax: 4 };

function openFolder(more: Partial<typeof bounds> = {}) {
  const base = mkdtempSync(join(tmpdir(), 'skerry-watched-'));
  onTestFinished(() => rmSync(base, { recursive: true, force: true }));
  const folder = join(base, 'share');
  mkdirSync(folder);
  const port = createWatchedFolder(folder, { ...bounds, ...more });
  onTestFinished(port.close);
  const write = (path: string, text = path) => {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  const list = async () => unwrap(await port.list());
  const paths = async () => (await list()).files.map(({ path }) => path);
  return { base, folder, port, write, list, paths };
}

it('[LIB45] sees files within its bounds, and follows no link', async () => {
  const { base, folder, write, paths } = openFolder();
  write('a.md');
  write('deep/er/b.md');
  write('.git/c.md');
  write('d.md~');
  writeFileSync(join(base, 'secret.md'), 'secret');
  mkdirSync(join(base, 'outside'));
  writeFileSync(join(base, 'outside', 'e.md'), 'secret');
  symlinkSync(join(base, 'secret.md'), join(folder, 'secret.md'));
  symlinkSync(join(base, 'outside'), join(folder, 'outside'));
  symlinkSync(folder, join(folder, 'loop'));
  expect(await paths()).toEqual(['a.md', 'deep/er/b.md']);
  const few = openFolder({ filesMax: 2, depthMax: 1 });
  for (const path of ['a.md', 'b.md', 'c.md']) few.write(path);
  expect(await few.list()).toMatchObject({ files: [{}, {}], cut: 'more than 2 files' });
  const deep = openFolder({ depthMax: 1 });
  deep.write('one/two/a.md');
  expect(await deep.list()).toMatchObject({ files: [], cut: 'deeper than 1 folders' });
  const small = openFolder({ bytesMax: 5 });
  small.write('a.md', '123');
  small.write('b.md', '456');
  expect(await small.list()).toMatchObject({ files: [{ path: 'a.md' }], cut: 'more than 5 bytes' });
});

it('[LIB45] reads what it has seen, and nothing that was put in its place', async () => {
  const { base, folder, port, write, list } = openFolder();
  write('deep/a.md', 'The pump is bled.');
  const seen = defined((await list()).files[0], 'a file');
  expect(new TextDecoder().decode(unwrap(await port.read(seen)))).toBe('The pump is bled.');
  write('deep/a.md', 'The pump is bled twice.');
  expect(await port.read(seen)).toMatchObject({ error: { code: 'not_found' } });
  const again = defined((await list()).files[0], 'a file');
  renameSync(join(folder, 'deep'), join(base, 'deep'));
  symlinkSync(join(base, 'deep'), join(folder, 'deep'));
  expect(await port.read(again)).toMatchObject({ error: { code: 'not_found' } });
  expect(await port.read({ ...seen, bytes: 2 ** 40 })).toMatchObject({
    error: { code: 'too_large' },
  });
  chmodSync(folder, 0o700);
  rmSync(folder, { recursive: true });
  expect(await port.list()).toMatchObject({ error: { code: 'unavailable' } });
});

it('[LIB45] waits for no pipe that has taken a file’s place', async () => {
  const { folder, port, write, list } = openFolder();
  write('a.md');
  const seen = defined((await list()).files[0], 'a file');
  rmSync(join(folder, 'a.md'));
  execFileSync('sh', ['-c', 'mkfifo "$0"', join(folder, 'a.md')]);
  expect(await port.read(seen)).toMatchObject({ error: { code: 'not_found' } });
});

it('[LIB45] looks into so many folders', async () => {
  const { folder, list } = openFolder({ filesMax: 3 });
  for (const path of ['a', 'b', 'c', 'd']) mkdirSync(join(folder, path));
  expect(await list()).toMatchObject({ files: [], cut: 'more than 3 folders' });
});

it('[LIB42] hears of changes, also in folders that came later', async () => {
  const { port, write, list } = openFolder();
  const heard = vi.fn();
  port.watch(heard);
  await list();
  write('later/a.md');
  await vi.waitFor(() => expect(heard).toHaveBeenCalled());
  await list();
  heard.mockClear();
  write('later/b.md');
  await vi.waitFor(() => expect(heard).toHaveBeenCalled());
});
