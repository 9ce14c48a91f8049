// All collections of one folder, on the thread that calls: what the collections' worker runs. So many are open at once,
// and the one used longest ago is closed for another.

import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { assert, err, failure, nameSchema, ok, type Result } from '@skerry/shared';
import type { QuestionSource } from '../retrieve/check-dense.ts';
import type {
  CollectionFile,
  FilledVector,
  SnapshotChange,
  WordCounts,
} from '../retrieve/collection-file.ts';
import type { Legs, LegsRequest } from '../retrieve/collections.ts';
import {
  compareIntake,
  type IntakeCandidate,
  type IntakeComparison,
} from '../retrieve/compare-intake.ts';
import type { EngineName } from '../retrieve/vector-index.ts';
import { removeGraphs } from './graph-index.ts';
import { readQuestions } from './read-questions.ts';
import { openSqliteCollection, vectorMemoryBytesMax } from './sqlite-collection.ts';

export interface CollectionHostOptions {
  /** `:memory:`: nothing is written. */
  readonly folder: string;
  readonly embedder?: { readonly digest: string; readonly dimensions: number } | undefined;
  /** `auto` where nothing is said. */
  readonly engine?: EngineName | 'auto' | undefined;
  /** That the vectors of all of them may take together. */
  readonly memoryBytesMax?: number | undefined;
}

/** What may be asked, each on a collection by its name; `create` alone makes one. */
export interface CollectionCalls {
  engine(name: string): Result<string | undefined>;
  create(name: string): Result<string | undefined>;
  put(name: string, ...args: Parameters<CollectionFile['put']>): ReturnType<CollectionFile['put']>;
  find(name: string, uri: string): Result<ReturnType<CollectionFile['find']>>;
  list(
    name: string,
    ...args: Parameters<CollectionFile['list']>
  ): Result<ReturnType<CollectionFile['list']>>;
  vectorsBy(
    name: string,
    digests: readonly string[],
  ): Result<ReturnType<CollectionFile['vectorsBy']>>;
  missingVectors(
    name: string,
    ...args: Parameters<CollectionFile['missingVectors']>
  ): Result<ReturnType<CollectionFile['missingVectors']>>;
  countMissing(name: string): Result<number>;
  putVectors(name: string, vectors: readonly FilledVector[]): Result<number>;
  compareIntake(name: string, candidate: IntakeCandidate): Result<IntakeComparison>;
  digestsOf(name: string, uri: string): Result<readonly string[]>;
  remove(name: string, uri: string): Result<number>;
  restore(name: string, uri: string, version: number): ReturnType<CollectionFile['restore']>;
  search(name: string, request: LegsRequest): Result<Legs>;
  countWords(name: string, ...args: Parameters<CollectionFile['countWords']>): Result<WordCounts>;
  passages(
    name: string,
    ...args: Parameters<CollectionFile['passages']>
  ): Result<ReturnType<CollectionFile['passages']>>;
  textAt(
    name: string,
    ...args: Parameters<CollectionFile['textAt']>
  ): Result<ReturnType<CollectionFile['textAt']>>;
  stats(
    name: string,
    ...args: Parameters<CollectionFile['stats']>
  ): Result<ReturnType<CollectionFile['stats']>>;
  questions(name: string, count: number): Result<QuestionSource>;
  snapshot(name: string): Result<ReturnType<CollectionFile['snapshot']>>;
  pages(name: string): Result<ReturnType<CollectionFile['pages']>>;
  whole(name: string, uri: string): Result<ReturnType<CollectionFile['whole']>>;
  stage(name: string, ...args: Parameters<CollectionFile['stage']>): Result<void>;
  staged(name: string): Result<ReturnType<CollectionFile['staged']>>;
  commit(name: string, change: SnapshotChange): Result<void>;
  revision(name: string): Result<number>;
  names(): Result<readonly string[]>;
  embedBy(embedder: NonNullable<CollectionHostOptions['embedder']>): Result<void>;
  removeAll(name: string): Result<boolean>;
  closeAll(): Result<void>;
}

const openMax = 16;
const suffix = '.collection';
/** Beside it: questions by which it is checked. */
const asked = '.questions.json';

/** A path is none. [LIB11] */
const checkName = (name: string): Result<void> =>
  nameSchema.safeParse(name).success
    ? ok(undefined)
    : err(failure('invalid_argument', `no name of a collection: '${name.slice(0, 64)}'`));

/** Also does what is not urgent, a little at a time; returns whether more is left. */
export type CollectionHost = CollectionCalls & { work(): boolean };

export function createCollectionHost(options: CollectionHostOptions): CollectionHost {
  const { folder, engine = 'auto', memoryBytesMax = vectorMemoryBytesMax } = options;
  let { embedder } = options;
  const inMemory = folder === ':memory:';
  const opened = new Map<string, CollectionFile>();

  const use = <T>(name: string, action: (file: CollectionFile) => Result<T>): Result<T> => {
    const file = open(name);
    return file.ok ? action(file.value) : file;
  };

  const open = (name: string, mayCreate = false): Result<CollectionFile> => {
    const there = opened.get(name);
    if (there !== undefined) {
      opened.delete(name);
      opened.set(name, there);
      return ok(there);
    }
    const named = checkName(name);
    if (!named.ok) return named;
    const path = inMemory ? ':memory:' : join(folder, `${name}${suffix}`);
    if (!mayCreate && (inMemory || !existsSync(path)))
      return err(failure('not_found', `no collection '${name}'`));
    const made = openSqliteCollection(path, {
      name,
      embedder,
      engine,
      memoryBytesMax: () => memoryLeft(name),
    });
    if (!made.ok) return made;
    opened.set(name, made.value);
    const [oldest] = opened;
    if (!inMemory && opened.size > openMax && oldest !== undefined) {
      oldest[1].close();
      opened.delete(oldest[0]);
    }
    return made;
  };

  /** By all others. */
  const memoryLeft = (name: string): number => {
    let left = memoryBytesMax;
    for (const other of opened.values()) if (other.name !== name) left -= other.memoryBytes;
    return Math.max(0, left);
  };

  const closeAll = (): void => {
    for (const file of opened.values()) file.close();
    opened.clear();
  };

  return {
    engine: (name) => use(name, (file) => ok(file.engine)),
    create(name) {
      const file = open(name, true);
      return file.ok ? ok(file.value.engine) : file;
    },
    put: (name, ...args) => use(name, (file) => file.put(...args)),
    find: (name, uri) => use(name, (file) => ok(file.find(uri))),
    list: (name, filter) => use(name, (file) => ok(file.list(filter))),
    vectorsBy: (name, digests) => use(name, (file) => ok(file.vectorsBy(digests))),
    missingVectors: (name, ...args) => use(name, (file) => ok(file.missingVectors(...args))),
    countMissing: (name) => use(name, (file) => ok(file.countMissing())),
    putVectors: (name, vectors) => use(name, (file) => file.putVectors(vectors)),
    compareIntake: (name, candidate) => use(name, (file) => ok(compareIntake(file, candidate))),
    digestsOf: (name, uri) => use(name, (file) => ok(file.digestsOf(uri))),
    remove: (name, uri) => use(name, (file) => file.remove(uri)),
    restore: (name, uri, version) => use(name, (file) => file.restore(uri, version)),
    search: (name, { words, vector, count, filter }) =>
      use(name, (file) =>
        ok({
          words: words === undefined ? [] : file.searchWords(words, count, filter),
          vectors: vector === undefined ? [] : file.searchVectors(vector, count, filter),
          revision: file.revision(),
          snapshot: file.snapshot()?.name,
        }),
      ),
    countWords: (name, ...args) => use(name, (file) => ok(file.countWords(...args))),
    passages: (name, ...args) => use(name, (file) => ok(file.passages(...args))),
    textAt: (name, ...args) => use(name, (file) => ok(file.textAt(...args))),
    stats: (name, ...args) => use(name, (file) => ok(file.stats(...args))),
    questions: (name, count) =>
      use(name, (file) => {
        const documents = file.sampleDocuments(count);
        const given = inMemory ? ok(undefined) : readQuestions(join(folder, `${name}${asked}`));
        return given.ok ? ok({ documents, ...(given.value && { given: given.value }) }) : given;
      }),
    snapshot: (name) => use(name, (file) => ok(file.snapshot())),
    pages: (name) => use(name, (file) => ok(file.pages())),
    whole: (name, uri) => use(name, (file) => ok(file.whole(uri))),
    stage: (name, ...args) => use(name, (file) => file.stage(...args)),
    staged: (name) => use(name, (file) => ok(file.staged())),
    commit: (name, change) => use(name, (file) => file.commit(change)),
    revision: (name) => use(name, (file) => ok(file.revision())),
    names() {
      const there = inMemory || !existsSync(folder) ? [...opened.keys()] : readdirSync(folder);
      return ok(
        there
          .filter((name) => inMemory || name.endsWith(suffix))
          .map((name) => (inMemory ? name : name.slice(0, -suffix.length)))
          .sort(),
      );
    },
    removeAll(name) {
      const named = checkName(name);
      if (!named.ok) return named;
      const path = join(folder, `${name}${suffix}`);
      const isThere = opened.has(name) || (!inMemory && existsSync(path));
      opened.get(name)?.close();
      opened.delete(name);
      if (!inMemory && isThere) {
        removeGraphs(path);
        for (const end of ['', '-wal', '-shm']) rmSync(`${path}${end}`, { force: true });
        rmSync(join(folder, `${name}${asked}`), { force: true });
      }
      return ok(isThere);
    },
    work: () => [...opened.values()].some((file) => file.work()),
    embedBy(other) {
      assert(!inMemory, 'a collection that can be opened again');
      closeAll();
      embedder = other;
      return ok(undefined);
    },
    closeAll() {
      closeAll();
      return ok(undefined);
    },
  };
}
