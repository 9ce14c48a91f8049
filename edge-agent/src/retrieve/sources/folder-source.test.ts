import { err, failure, ok, silentLog } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { createVirtualClock, unwrap } from '@skerry/shared/testing';
import { expect, it, onTestFinished } from 'vitest';
import { createDirectCollections } from '../../adapters/direct-collections.ts';
import { openDatabase } from '../../adapters/sqlite-database.ts';
import { createSqliteSourceStore } from '../../adapters/sqlite-source-store.ts';
import { createWordEmbedder } from '../../testing/word-embedder.ts';
import { createLibrary } from '../library.ts';
import type { FolderPort } from './folder-source.ts';
import { isTemporary, mediaTypeOf } from './media-type.ts';
import { openSources } from './open-sources.ts';
import { librarySourcesSchema } from './source-config.ts';
// Loaded with the first document that is read: a virtual clock would not wait for it.
import '../read/language-of.ts';

const settled = () => new Promise((resolve) => setImmediate(resolve));

const none = () => {
  throw new Error('no such source');
};

/** A folder in memory: what is in it, what was read of it. */
function createFolder() {
  const files = new Map<string, { text: string; mtimeMs: number }>();
  const folder = {
    files,
    read: [] as string[],
    away: false,
    cut: undefined as string | undefined,
    tell: () => {},
    write: (path: string, text: string, mtimeMs = 1) => void files.set(path, { text, mtimeMs }),
  };
  const port: FolderPort = {
    async list() {
      if (folder.away) return err(failure('unavailable', 'no such folder'));
      const seen = [...files].map(([path, { text, mtimeMs }]) => ({
        path,
        bytes: text.length,
        mtimeMs,
      }));
      return ok({ files: seen, ...(folder.cut === undefined ? {} : { cut: folder.cut }) });
    },
    async read({ path }) {
      folder.read.push(path);
      return ok(new TextEncoder().encode(files.get(path)?.text ?? ''));
    },
    watch(tell) {
      folder.tell = tell;
    },
    close() {},
  };
  return { folder, port };
}

function openWorld() {
  const { folder, port } = createFolder();
  const clock = createVirtualClock();
  const embedder = createWordEmbedder();
  const collections = createDirectCollections({ folder: ':memory:', embedder });
  const library = createLibrary({ collections, embedder, digestOf: sha256, clock, log: silentLog });
  const store = createSqliteSourceStore(unwrap(openDatabase(':memory:')));
  const open = (more: object = {}) => {
    const sources = openSources(
      librarySourcesSchema.parse([
        { kind: 'folder', name: 'share', folder: '/share', collection: 'manuals', ...more },
      ]),
      { store, openFolder: () => port, openTopic: none, openRows: none },
      {
        library,
        readInThread: async () => err(failure('invalid_argument', 'broken')),
        quoting: [],
        digestOf: sha256,
        clock,
        log: silentLog,
      },
    );
    onTestFinished(() => sources.close());
    return sources;
  };
  onTestFinished(() => collections.close());
  const advance = async (ms: number) => {
    const untilMs = clock.monotonicMs() + ms;
    do await settled();
    while (clock.runNext(untilMs));
  };
  const uris = async (): Promise<readonly string[]> => {
    const thread = await collections.open('manuals');
    if (!thread.ok) return [];
    return unwrap(await thread.value.list({ principals: 'all' })).map(({ uri }) => uri);
  };
  return { folder, embedder, open, advance, uris, library, collections };
}

it('[LIB42] takes a file once it has stood still, a changed one anew, and takes out what has gone', async () => {
  const { folder, open, advance, uris, collections } = openWorld();
  folder.write('winch.md', '# Winch\n\nThe winch pulls');
  const sources = open();
  await advance(1_500);
  folder.write('winch.md', '# Winch\n\nThe winch pulls four tonnes.', 2);
  await advance(1_500);
  expect(await uris()).toEqual([]);
  await advance(5_000);
  expect(await uris()).toEqual(['share/winch.md']);
  expect(folder.read).toEqual(['winch.md']);
  folder.write('winch.md', '# Winch\n\nThe winch pulls five tonnes.', 3);
  folder.write('pump.txt', 'The pump is bled.', 3);
  folder.tell();
  await advance(5_000);
  const thread = unwrap(await collections.open('manuals'));
  expect(unwrap(await thread.find('share/winch.md'))).toMatchObject({ version: 2 });
  folder.files.delete('winch.md');
  folder.tell();
  await advance(1_000);
  expect(await uris()).toEqual(['share/pump.txt', 'share/winch.md']);
  await advance(10_000);
  expect(await uris()).toEqual(['share/pump.txt']);
  expect(sources.describe()).toMatchObject([
    { name: 'share', state: 'waiting', taken: 1, refused: 0 },
  ]);
});

it('[LIB42] finds by itself what nobody tells of, and embeds nothing of a file that has moved', async () => {
  const { folder, open, advance, uris, embedder } = openWorld();
  open();
  await advance(1_000);
  folder.write('old.md', '# Winch\n\nThe winch pulls four tonnes.');
  folder.write('other.md', 'The pump is bled.');
  await advance(70_000);
  expect(await uris()).toEqual(['share/old.md', 'share/other.md']);
  embedder.embedded.length = 0;
  folder.write('new/place.md', '# Winch\n\nThe winch pulls four tonnes.');
  folder.files.delete('old.md');
  await advance(80_000);
  expect(await uris()).toEqual(['share/new/place.md', 'share/other.md']);
  expect(embedder.embedded).toEqual([]);
});

it('[LIB43] puts aside what cannot be read, with the reason, and tries it again once it has changed', async () => {
  const { folder, open, advance, uris } = openWorld();
  folder.write('a.pdf', 'no pdf');
  folder.write('b.png', 'no document');
  folder.write('c.txt', '');
  const sources = open();
  await advance(200_000);
  expect(folder.read).toEqual(['a.pdf', 'c.txt']);
  const [{ refused, refusals } = { refused: 0, refusals: [] }] = sources.describe();
  expect(refused).toBe(3);
  expect(refusals.map(({ key, reason }) => [key, reason])).toEqual([
    ['a.pdf', 'broken'],
    ['b.png', 'no kind of document, by its name'],
    ['c.txt', 'no text is in it'],
  ]);
  folder.write('c.txt', 'The pump is bled.', 2);
  await advance(70_000);
  expect(await uris()).toEqual(['share/c.txt']);
  expect(sources.describe()).toMatchObject([{ taken: 1, refused: 2 }]);
});

it('[LIB44] reads nothing twice that has not changed: not after a restart, and no text of what was only touched', async () => {
  const { folder, open, advance, embedder, uris } = openWorld();
  folder.write('winch.md', 'The winch pulls four tonnes.');
  await open().close();
  await advance(0);
  const first = open();
  await advance(10_000);
  await first.close();
  folder.read.length = 0;
  embedder.embedded.length = 0;
  const second = open();
  await advance(200_000);
  expect(folder.read).toEqual([]);
  folder.write('winch.md', 'The winch pulls four tonnes.', 2);
  await advance(200_000);
  expect(folder.read).toEqual(['winch.md']);
  expect(embedder.embedded).toEqual([]);
  await second.close();
  // Under other terms it is another document.
  open({ readers: ['crew'] });
  await advance(200_000);
  expect(await uris()).toEqual(['share/winch.md']);
  expect(folder.read).toEqual(['winch.md', 'winch.md']);
});

it('[LIB45] takes nothing out where it has not seen all: the folder is away, cut, or empty at once', async () => {
  const { folder, open, advance, uris } = openWorld();
  folder.write('winch.md', 'The winch pulls four tonnes.');
  folder.write('pump.md', 'The pump is bled.');
  const sources = open();
  await advance(10_000);
  const all = ['share/pump.md', 'share/winch.md'];
  folder.away = true;
  await advance(200_000);
  expect(await uris()).toEqual(all);
  expect(sources.describe()).toMatchObject([{ state: 'away', reason: 'no such folder' }]);
  folder.away = false;
  const kept = new Map(folder.files);
  folder.files.clear();
  await advance(200_000);
  expect(await uris()).toEqual(all);
  expect(sources.describe()[0]?.reason).toMatch(/gone at once/);
  folder.files.set('pump.md', kept.get('pump.md') ?? { text: '', mtimeMs: 0 });
  folder.cut = 'more than 1 files';
  await advance(200_000);
  expect(await uris()).toEqual(all);
  expect(sources.describe()[0]?.reason).toBe('more than 1 files');
  folder.cut = undefined;
  await advance(200_000);
  expect(await uris()).toEqual(['share/pump.md']);
});

it('[LIB45] knows what editors and browsers leave while they work', () => {
  const temporary = ['.hidden', '~$report.docx', 'a.txt~', 'b.tmp', 'c.pdf.part', '.d.swp', '#e#'];
  expect(temporary.map(isTemporary)).toEqual(temporary.map(() => true));
  expect(['report.docx', '#1.md', 'template.txt'].map(isTemporary)).toEqual([false, false, false]);
  expect(['a.MD', 'b.docx', 'c', 'd.constructor'].map(mediaTypeOf)).toEqual([
    'text/markdown',
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
    'application/octet-stream',
    'application/octet-stream',
  ]);
});
