// The library with all that keeps words of it, and what takes documents in by itself: as the routes show it.

import type { Clock, Log } from '@skerry/shared';
import type { LibraryCaches } from './cache/caches.ts';
import type { ConversationStore, SharingConversationStore } from './conversation-store.ts';
import { forgetConversations } from './conversations.ts';
import type { QuotingStore } from './erase-document.ts';
import type { VectorFilling } from './fill-vectors.ts';
import { forgetQuestions } from './forget-questions.ts';
import type { Library } from './library.ts';
import type { QuestionStore } from './question-store.ts';
import type { ReadInThread } from './read/reading.ts';
import type { FetchTurns } from './share-conversations.ts';
import { openSources, type SourceAdapters, type Sources } from './sources/open-sources.ts';
import type { LibrarySource } from './sources/source-config.ts';
import type { TravelAdapters } from './travel/open-travelling.ts';

export interface LibraryPorts {
  readonly library: Library;
  /** What is remembered of it; without them nothing is. */
  readonly caches?: LibraryCaches | undefined;
  readonly questions: QuestionStore;
  readonly conversations: SharingConversationStore;
  /** Who is asked for what others have said of a conversation. */
  readonly fetchTurns?: FetchTurns | undefined;
  readonly readInThread: ReadInThread;
  /** Where vectors are made elsewhere. */
  readonly filling?: Pick<VectorFilling, 'state' | 'wake'> | undefined;
  readonly sources?: SourceAdapters;
  /** How collections come from the cloud, and go up. */
  readonly travel?: TravelAdapters;
}

export interface ServedLibrary
  extends Omit<LibraryPorts, 'questions' | 'conversations' | 'fetchTurns' | 'sources' | 'travel'> {
  readonly quoting: readonly QuotingStore[];
  readonly digestOf: (bytes: Uint8Array) => string;
  readonly nowMs: () => number;
  readonly taking: Sources | undefined;
}

export function openServedLibrary(
  librarySources: readonly LibrarySource[],
  {
    questions,
    conversations,
    sources,
    travel: _,
    fetchTurns: __,
    ...rest
  }: Omit<LibraryPorts, 'conversations'> & { readonly conversations: ConversationStore },
  ports: {
    readonly digestOf: (bytes: Uint8Array) => string;
    readonly clock: Clock;
    readonly log: Log;
  },
): ServedLibrary {
  const { digestOf, clock } = ports;
  const quoting = [
    forgetConversations(conversations),
    forgetQuestions(questions),
    ...(rest.caches === undefined ? [] : [rest.caches.quoting]),
  ];
  const taking = sources && openSources(librarySources, sources, { ...rest, ...ports, quoting });
  return { ...rest, quoting, digestOf, nowMs: clock.nowMs, taking };
}
