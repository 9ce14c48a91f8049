import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createRandom } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import Database from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { CollectionFile } from '../retrieve/collection-file.ts';
import { createWordEmbedder } from '../testing/word-embedder.ts';
import { createCollectionHost } from './collection-host.ts';
import { type CollectionOptions, openSqliteCollection } from './sqlite-collection.ts';

const embedder = createWordEmbedder();
const everybody = { principals: [] };

function createFile() {
  const folder = mkdtempSync(join(tmpdir(), 'skerry-collection-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'manuals.collection');
  const open = (options: Partial<CollectionOptions> = {}): CollectionFile => {
    const wanted = { name: 'manuals', embedder, engine: 'sqlite-vec' as const, ...options };
    const file = unwrap(openSqliteCollection(path, wanted));
    onTestFinished(() => file.close());
    return file;
  };
  const holds = (word: string): boolean =>
    readdirSync(folder).some((name) => readFileSync(join(folder, name)).includes(word));
  return { path, open, holds };
}

/** One passage. */
async function putText(
  file: CollectionFile,
  uri: string,
  text: string,
  { trust = 1, heading = '' } = {},
) {
  const vector = file.engine === undefined ? undefined : unwrap(await embedder.embed([text]));
  const passage = { start: 0, end: text.length, heading, textDigest: text };
  const passages = [vector === undefined ? passage : { ...passage, vector }];
  return file.put({ source: { uri, title: uri, text, digest: text, trust }, passages }, 0);
}

async function nearest(file: CollectionFile, text: string, count = 9): Promise<string[]> {
  const ids = file.searchVectors(unwrap(await embedder.embed([text])), count, everybody);
  return file
    .passages(
      ids.map(({ id }) => id),
      everybody,
    )
    .map(({ uri }) => uri);
}

describe('a collection’s vectors', () => {
  it('[LIB25] are those of the documents, whatever engine or none has written them', async () => {
    const { open } = createFile();
    const settings: Partial<CollectionOptions>[] = [
      { engine: 'memory' },
      { engine: 'sqlite-vec' },
      { embedder: undefined },
      { engine: 'sqlite-vec' },
      { engine: 'memory' },
      { engine: 'sqlite-vec' },
    ];
    const withVectors = new Set<string>();
    for (const [i, setting] of settings.entries()) {
      const file = open(setting);
      unwrap(await putText(file, `bilge ${i}`, `bilge pump number${i}`));
      if (file.engine !== undefined) withVectors.add(`bilge ${i}`);
      if (i > 0) {
        unwrap(file.remove(`bilge ${i - 1}`));
        withVectors.delete(`bilge ${i - 1}`);
      }
      unwrap(await putText(file, `kept ${i}`, `winch rope number${i}`));
      if (file.engine !== undefined) {
        withVectors.add(`kept ${i}`);
        expect(new Set(await nearest(file, 'bilge winch'))).toEqual(withVectors);
      }
      file.close();
    }
  });

  it.each(['memory', 'sqlite-vec'] as const)(
    '[LIB25] in %s are as they were after a change that failed',
    async (engine) => {
      const file = createFile().open({ engine });
      unwrap(await putText(file, 'winch', 'the winch pulls'));
      const failed = await putText(file, 'winch', 'the winch lifts', { trust: Number.NaN });
      expect(failed).toMatchObject({ error: { code: 'storage_failed' } });
      expect(await nearest(file, 'the winch pulls')).toEqual(['winch']);
      unwrap(await putText(file, 'winch', 'the winch lifts'));
      expect(await nearest(file, 'the winch lifts')).toEqual(['winch']);
    },
  );

  it('[LIB35] leave memory for the file where they have outgrown what all may take together', async () => {
    const host = createCollectionHost({ folder: ':memory:', embedder, memoryBytesMax: 2 ** 19 });
    onTestFinished(() => void host.closeAll());
    const engineOf = (name: string) => unwrap(host.stats(name)).engine;
    const put = async (name: string, uri: string, count: number) => {
      const vector = unwrap(await embedder.embed([uri]));
      const passages = Array.from({ length: count }, (_, i) => {
        return { start: i, end: i + 1, heading: '', textDigest: `${uri} ${i}`, vector };
      });
      const source = { uri, title: uri, text: 'x'.repeat(count), digest: uri, trust: 1 };
      unwrap(host.put(name, { source, passages }, 0));
    };
    for (const name of ['large', 'small']) unwrap(host.create(name));
    await put('small', 'rope', 1);
    await put('large', 'winch', 1);
    expect([engineOf('small'), engineOf('large')]).toEqual(['memory', 'memory']);
    await put('large', 'pump', Math.ceil(2 ** 19 / (2 * embedder.dimensions)));
    expect([engineOf('small'), engineOf('large')]).toEqual(['memory', 'sqlite-vec']);
    const vector = unwrap(await embedder.embed(['winch']));
    const found = unwrap(
      host.search('large', { words: undefined, vector, count: 1, filter: everybody }),
    );
    expect(found.vectors[0]?.score).toBeCloseTo(1, 2);
  });

  it('[LIB11] of a length that no index takes are refused', () => {
    const other = { digest: 'sha256:odd', dimensions: 100 };
    for (const engine of ['memory', 'sqlite-vec'] as const)
      expect(
        openSqliteCollection(':memory:', { name: 'manuals', embedder: other, engine }),
      ).toMatchObject({ error: { code: 'invalid_config' } });
  });
});

describe('a collection’s graph', () => {
  const build = (file: CollectionFile): void => {
    while (file.work());
  };
  const graphs = (path: string): string[] =>
    readdirSync(dirname(path)).filter((name) => name.includes('-graph-'));

  it('[LIB36] is built between calls, read where it is of the same state, and never the truth', async () => {
    const { path, open } = createFile();
    const engine = 'usearch' as const;
    const file = open({ engine });
    for (const word of ['winch', 'bilge', 'anchor'])
      unwrap(await putText(file, word, `the ${word} turns`));
    expect(file.stats()).toMatchObject({ engine, engineReason: expect.stringMatching('0 of 3') });
    expect(await nearest(file, 'the winch turns', 1)).toEqual(['winch']);
    build(file);
    expect(graphs(path)).toEqual([
      expect.stringMatching(/^manuals\.collection-graph-3-[0-9a-f]{64}$/),
    ]);
    expect(await nearest(file, 'the bilge turns', 1)).toEqual(['bilge']);
    file.close();
    const again = open({ engine });
    expect(again.stats().engineReason).toMatch('a graph of 3');
    unwrap(await putText(again, 'rope', 'the rope turns'));
    expect(again.stats().engineReason).toMatch('a graph of 3, 1 beside it');
    expect(await nearest(again, 'the rope turns', 1)).toEqual(['rope']);
    again.close();
    // Of a state before: it goes.
    expect(open({ engine }).stats().engineReason).toMatch('0 of 4');
    expect(graphs(path)).toEqual([]);
  });

  it('[LIB36] goes with what is removed, and where it is no graph', async () => {
    const { path, open } = createFile();
    const engine = 'usearch' as const;
    const file = open({ engine });
    unwrap(await putText(file, 'winch', 'the winch turns'));
    unwrap(await putText(file, 'bilge', 'the bilge turns'));
    build(file);
    unwrap(file.remove('winch'));
    expect(graphs(path)).toEqual([]);
    expect(await nearest(file, 'the winch turns')).toEqual(['bilge']);
    build(file);
    const [graph] = graphs(path);
    file.close();
    writeFileSync(join(dirname(path), graph ?? ''), 'no graph');
    const other = open({ engine });
    expect(await nearest(other, 'the winch turns')).toEqual(['bilge']);
    build(other);
    other.close();
    open({ engine: 'memory' });
    expect(graphs(path)).toEqual([]);
  });
});

describe('a collection’s words', () => {
  it('[LIB3] come in the order of their score, where a heading’s count twice', async () => {
    const file = createFile().open({ embedder: undefined });
    const filler = 'seven words that nobody ever asks for';
    unwrap(await putText(file, 'text', `anchor ${filler}`));
    unwrap(await putText(file, 'heading', `${filler} at all`, { heading: 'anchor' }));
    for (let i = 0; i < 9; i++) unwrap(await putText(file, `${i}`, filler));
    const found = file.searchWords(['anchor'], 9, everybody);
    expect(found.map(({ score }) => score)).toEqual(
      found.map(({ score }) => score).toSorted((a, b) => b - a),
    );
    const [best] = file.searchWords(['anchor'], 1, everybody);
    expect(file.passages([best?.id ?? 0], everybody)).toMatchObject([{ uri: 'heading' }]);
  });
});

describe('a question of frequent words', () => {
  const putMany = (
    file: CollectionFile,
    uri: string,
    texts: readonly string[],
    readers?: string[],
  ) => {
    let start = 0;
    const passages = texts.map((text) => {
      const span = { start, end: start + text.length, heading: '', textDigest: text };
      start = span.end;
      return span;
    });
    const terms = { title: uri, digest: uri, trust: 1, ...(readers && { readers }) };
    return unwrap(file.put({ source: { uri, text: texts.join(''), ...terms }, passages }, 0));
  };

  it('[LIB33] is ranked by BM25 of all its words, though not all that has one is looked at', () => {
    const file = createFile().open({ embedder: undefined });
    const words = ['gasket', 'water', 'oil', 'air', 'fuel', 'steam', 'ice'];
    const random = createRandom(1);
    const text = () => words.filter((_, i) => random.next() < (i === 0 ? 0.1 : 0.4)).join(' ');
    putMany(
      file,
      'many',
      Array.from({ length: 3_000 }, () => `${text()} ${'filler '.repeat(9 * random.next())}`),
    );
    const exact = file.searchWords(words, 3_000, everybody);
    const found = file.searchWords(words, 9, everybody);
    expect(exact.length).toBeGreaterThan(2_800);
    expect(found.map(({ score }) => score)).toEqual(
      exact.slice(0, 9).map(({ score }) => expect.closeTo(score, 6)),
    );
    expect(found.some(({ score }, i) => score < (found[i + 1]?.score ?? 0))).toBe(false);
  });

  it('[LIB33] is of all passages for a reader who may not read those with the rarer words', () => {
    const file = createFile().open({ embedder: undefined });
    const texts = (word: string, length: number) =>
      Array.from({ length }, (_, i) => `${word} number${i}`);
    putMany(file, 'crew.md', texts('gasket', 40), ['crew']);
    putMany(file, 'all.md', texts('water', 60));
    const asked = ['gasket', 'water'];
    expect(file.searchWords(asked, 3, everybody)).toHaveLength(3);
    expect(file.searchWords(asked, 3, { principals: ['crew'] })[0]?.id).toBeLessThanOrEqual(40);
  });
});

describe('a collection’s file', () => {
  it('[LIB5] keeps so many versions of a document, and the one that was replaced last', async () => {
    const { open } = createFile();
    const file = open();
    for (const word of ['one', 'two', 'three', 'four', 'five'])
      unwrap(await putText(file, 'log', `entry ${word}`));
    const restorable = (versions: number[]): number[] =>
      versions.filter((version) => unwrap(file.restore('log', version)) !== undefined);
    expect(restorable([1, 2, 5, 4, 3])).toEqual([5, 4, 3]);
    expect(file.stats()).toMatchObject({ documents: 1, passages: 1, vectors: 3 });
    expect(unwrap(await putText(file, 'log', 'entry six'))).toMatchObject({ version: 6 });
    expect(restorable([4, 5, 6, 3])).toEqual([5, 6, 3]);
    expect(unwrap(file.remove('log'))).toBe(3);
  });

  it('[LIB10] fails to delete while somebody keeps its log, and has deleted when it is called again', async () => {
    const { path, open, holds } = createFile();
    const file = open();
    unwrap(await putText(file, 'secret', 'the quinquagesimal safe'));
    const reader = new Database(path);
    onTestFinished(() => void reader.close());
    reader.exec('BEGIN; SELECT * FROM document;');
    expect(file.remove('secret')).toMatchObject({ error: { code: 'storage_failed' } });
    expect(holds('quinquagesimal')).toBe(true);
    reader.exec('COMMIT');
    expect(unwrap(file.remove('secret'))).toBe(0);
    expect(holds('quinquagesimal')).toBe(false);
  });

  it('[LIB10] has nothing of what was deleted before a crash once it is open again', async () => {
    const { path, open, holds } = createFile();
    unwrap(await putText(open(), 'secret', 'the quinquagesimal safe'));
    // As a process that ended before it had emptied the log: somebody else has the file open, and the log stays.
    const other = new Database(path);
    onTestFinished(() => void other.close());
    other.pragma('secure_delete = ON');
    other.exec('DELETE FROM passage; DELETE FROM vector; DELETE FROM document');
    expect(holds('quinquagesimal')).toBe(true);
    open();
    expect(holds('the quinquagesimal')).toBe(false);
  });

  it.runIf(existsSync('/proc/self/fd'))(
    '[LIB11] that is none is refused, and not kept open',
    () => {
      const { path } = createFile();
      writeFileSync(
        path,
        'this is no database, and it is long enough to be told from an empty one'.repeat(20),
      );
      const opened = openSqliteCollection(path, { name: 'manuals', embedder, engine: 'memory' });
      expect(opened).toMatchObject({ error: { code: 'storage_failed' } });
      const targets = readdirSync('/proc/self/fd').map((fd) => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`);
        } catch {
          return '';
        }
      });
      expect(targets).not.toContain(path);
    },
  );
});

describe('what a document is compared with', () => {
  it('[LIB60] is what the file says, after each change of it and after one that failed', () => {
    const { open } = createFile();
    const file = open({ embedder: undefined });
    const random = createRandom(3);
    const put = (uri: string, source: string, atMs: number, into = file) => {
      const sketch = Uint32Array.from({ length: 64 }, () => random.next() * 2 ** 32);
      const checks = { lookAlikes: 0, isStrange: false, nearest: random.next(), sketch };
      const text = `${uri} at ${atMs}`;
      const passages = [{ start: 0, end: text.length, heading: '', textDigest: text }];
      const terms = { title: uri, text, digest: text, trust: 1, meta: { source } };
      return into.put({ source: { uri, ...terms }, passages, checks }, atMs);
    };
    const asked = (of: CollectionFile) => ({
      share: of.sketches('share', 5, 4).map(({ uri, sketch }) => [uri, sketch]),
      scores: of.nearestScores(6),
    });
    const isAsTheFileSays = () => expect(asked(file)).toEqual(asked(open({ embedder: undefined })));
    for (let i = 0; i < 12; i++) {
      unwrap(put(`${i}`, i % 3 === 1 ? 'other' : 'share', i));
      isAsTheFileSays();
    }
    expect(asked(file).share).toHaveLength(4);
    unwrap(put('11', 'share', 12)); // In the place of one.
    isAsTheFileSays();
    unwrap(file.remove('9'));
    isAsTheFileSays();
    unwrap(file.restore('11', 1));
    isAsTheFileSays();
    expect(() => put('broken', 'share', Number.NaN)).not.toThrow();
    isAsTheFileSays();
    unwrap(put('12', 'share', 13));
    isAsTheFileSays();
    for (const sinceMs of [10, 0])
      expect(file.sketches('share', sinceMs, 50)).toEqual(
        open({ embedder: undefined }).sketches('share', sinceMs, 50),
      );
    expect(file.nearestScores(9)).toHaveLength(9);
    // Another has the file open, and puts one in between.
    const other = open({ embedder: undefined });
    unwrap(put('13', 'share', 14, other));
    unwrap(put('14', 'share', 15));
    isAsTheFileSays();
  });
});
