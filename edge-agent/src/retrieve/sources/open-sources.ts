// All sources of the configuration, at work.

import type { Log } from '@skerry/shared';
import {
  type FolderPort,
  type RunningSource,
  type SourceState,
  startFolder,
} from './folder-source.ts';
import type { FolderSource, LibrarySource } from './source-config.ts';
import type { SourceEntry, SourceStore } from './source-store.ts';
import { createTakeIn, type TakeInPorts } from './take-in.ts';

/** What sources are read with. */
export interface SourceAdapters {
  readonly store: SourceStore;
  openFolder(source: FolderSource): FolderPort;
}

export interface DescribedSource extends SourceState {
  readonly taken: number;
  readonly refused: number;
  /** The newest of what was put aside, and why. */
  readonly refusals: readonly Pick<SourceEntry, 'key' | 'reason' | 'atMs'>[];
}

export interface Sources {
  describe(): readonly DescribedSource[];
  close(): Promise<void>;
}

const refusalsShown = 100;

export function openSources(
  sources: readonly LibrarySource[],
  adapters: SourceAdapters,
  ports: Omit<TakeInPorts, 'store'> & { readonly log: Log },
): Sources {
  const { store } = adapters;
  const start = (source: LibrarySource): RunningSource => {
    const takeIn = createTakeIn(source, { ...ports, store });
    const { clock, log } = ports;
    switch (source.kind) {
      case 'folder':
        return startFolder(source, {
          folder: adapters.openFolder(source),
          takeIn,
          store,
          clock,
          log,
        });
    }
  };
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
    async close() {
      await Promise.all(running.map((source) => source.close()));
    },
  };
}
