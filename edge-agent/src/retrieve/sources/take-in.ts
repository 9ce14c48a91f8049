// One thing of a source into its collection, or aside with the reason. [LIB43]

import { type Clock, err, type Failure, ok, type Result } from '@skerry/shared';
import { eraseDocument, type QuotingStore } from '../erase-document.ts';
import type { Library } from '../library.ts';
import type { SourceDocument } from '../passage.ts';
import { readDocument } from '../read/read-document.ts';
import type { ReadInThread } from '../read/reading.ts';
import type { LibrarySource } from './source-config.ts';
import type { SourceStore } from './source-store.ts';

export interface TakeInPorts {
  readonly library: Library;
  readonly readInThread: ReadInThread;
  readonly quoting: readonly QuotingStore[];
  readonly store: SourceStore;
  readonly digestOf: (bytes: Uint8Array) => string;
  readonly clock: Clock;
}

export interface Thing {
  readonly key: string;
  readonly stamp: string;
  readonly mediaType: string;
  readonly title?: string;
}

export type Taken = 'taken' | 'unchanged' | 'refused';

export interface TakeIn {
  /** Of the source as it is configured now: what was taken under others is taken again. */
  readonly terms: string;
  /** It has come with this stamp before. */
  has(thing: Pick<Thing, 'key' | 'stamp'>): boolean;
  /** Fails with what may be tried again; what never will be is put aside. */
  take(thing: Thing, bytes: Uint8Array): Promise<Result<Taken>>;
  /** Puts it aside, unread. */
  refuse(thing: Pick<Thing, 'key' | 'stamp'>, failed: Failure): Result<Taken>;
  /** It is no longer there: its document goes. */
  drop(key: string): Promise<Result<void>>;
}

const reasonCharactersMax = 500;

export function createTakeIn(source: LibrarySource, ports: TakeInPorts): TakeIn {
  const { library, store, digestOf, clock } = ports;
  const { name, collection, trust, readers } = source;
  const terms = digestOf(new TextEncoder().encode(JSON.stringify(termsOf(source))));
  const put = (
    { key, stamp }: Pick<Thing, 'key' | 'stamp'>,
    digest: string | null,
    reason: string | null,
  ) => {
    const uri = `${name}/${key}`;
    const shown = reason?.slice(0, reasonCharactersMax) ?? null;
    const entry = { source: name, key, collection, uri, stamp, digest, terms };
    return store.put({ ...entry, reason: shown, atMs: clock.nowMs() });
  };
  const refuse = (
    thing: Pick<Thing, 'key' | 'stamp'>,
    failed: Failure,
    digest: string | null = null,
  ): Result<Taken> => {
    if (failed.retryable) return err(failed);
    const kept = put(thing, digest, failed.message);
    return kept.ok ? ok('refused') : kept;
  };
  const read = (thing: Thing, bytes: Uint8Array, digest: string): Promise<Result<SourceDocument>> =>
    readDocument(
      {
        uri: `${name}/${thing.key}`,
        mediaType: thing.mediaType,
        bytes,
        digest,
        trust,
        ...(thing.title === undefined ? {} : { title: thing.title }),
        ...(readers === undefined ? {} : { readers }),
        meta: { source: name },
      },
      ports.readInThread,
    );

  return {
    terms,
    has({ key, stamp }) {
      const there = store.find(name, key);
      return there?.stamp === stamp && there.terms === terms;
    },
    refuse,
    async take(thing, bytes) {
      const before = store.find(name, thing.key);
      const digest = digestOf(bytes);
      if (before?.digest === digest && before.terms === terms) {
        const kept = put(thing, digest, before.reason);
        return kept.ok ? ok('unchanged') : kept;
      }
      const document = await read(thing, bytes, digest);
      if (!document.ok) return refuse(thing, document.error, digest);
      const added = await library.add(collection, document.value);
      if (!added.ok) return refuse(thing, added.error, digest);
      // Under another collection's name it would be found twice.
      if (before !== undefined && before.collection !== collection) {
        const moved = await erase(ports, before);
        if (!moved.ok) return moved;
      }
      const kept = put(thing, digest, null);
      return kept.ok ? ok('taken') : kept;
    },
    async drop(key) {
      const there = store.find(name, key) ?? { collection, uri: `${name}/${key}` };
      const erased = await erase(ports, there);
      return erased.ok ? store.remove(name, key) : erased;
    },
  };
}

/** What its documents depend on, beside their bytes. */
function termsOf(source: LibrarySource): object {
  const { collection, trust, readers } = source;
  if (!('query' in source)) return { collection, trust, readers };
  const { query, key, text, title, cursor } = source;
  return { collection, trust, readers, query, key, text, title, cursor };
}

/** A collection that is gone has it no more. */
async function erase(
  { library: { collections }, quoting, clock }: TakeInPorts,
  { collection, uri }: { readonly collection: string; readonly uri: string },
): Promise<Result<void>> {
  const erased = await eraseDocument({ collections, quoting, nowMs: clock.nowMs }, collection, uri);
  return erased.ok || erased.error.code === 'not_found' ? ok(undefined) : erased;
}
