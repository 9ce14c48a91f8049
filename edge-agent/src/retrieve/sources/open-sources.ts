// All sources of the configuration, at work.

import type { Log } from '@skerry/shared';
import { type FolderPort, startFolder } from './folder-source.ts';
import { type RowsPort, startRows } from './rows-source.ts';
import type { RunningSource, SourceState } from './running-source.ts';
import {
  bringsDocument,
  type FolderSource,
  type LibrarySource,
  type RowsSource,
  type TopicSource,
} from './source-config.ts';
import type { SourceEntry, SourceStore } from './source-store.ts';
import { createTakeIn, type TakeInPorts } from './take-in.ts';
import { startTopic, type TopicPort } from './topic-source.ts';

/** What sources are read with. */
export interface SourceAdapters {
  readonly store: SourceStore;
  openFolder(source: FolderSource): FolderPort;
  openTopic(source: TopicSource): TopicPort;
  openRows(source: RowsSource): RowsPort;
}

export interface DescribedSource extends SourceState {
  readonly taken: number;
  readonly refused: number;
  /** The newest of what was put aside, and why. */
  readonly refusals: readonly Pick<SourceEntry, 'key' | 'reason' | 'atMs'>[];
}

export interface Sources {
  describe(): readonly DescribedSource[];
  /** Whether what is called so there is one of theirs. */
  owns(collection: string, uri: string): boolean;
  close(): Promise<void>;
}

const refusalsShown = 100;

export function openSources(
  sources: readonly LibrarySource[],
  adapters: SourceAdapters,
  ports: Omit<TakeInPorts, 'store'> & { readonly log: Log },
): Sources {
  const { store, openFolder, openTopic, openRows } = adapters;
  const start = (source: LibrarySource): RunningSource => {
    const takeIn = createTakeIn(source, { ...ports, store });
    const all = { ...ports, takeIn, store };
    switch (source.kind) {
      case 'folder':
        return startFolder(source, { ...all, folder: openFolder(source) });
      case 'mqtt':
        return startTopic(source, { ...all, topic: openTopic(source) });
      case 'sqlite':
      case 'postgres':
        return startRows(source, { ...all, rows: openRows(source) });
    }
  };
  const purged = store.inbox.keepOf(sources.map(({ name }) => name));
  if (!purged.ok) ports.log.warn({ code: purged.error.code }, 'messages of former sources stay');
  const running = sources.map(start);
  return {
    describe: () =>
      running.map((source) => {
        const state = source.state();
        const refusals = store
          .refused(state.name, refusalsShown)
          .map(({ key, reason, atMs }) => ({ key, reason, atMs }));
        return { ...state, ...store.counts(state.name), refusals };
      }),
    owns: (collection, uri) => bringsDocument(sources, collection, uri),
    async close() {
      await Promise.all(running.map((source) => source.close()));
    },
  };
}
