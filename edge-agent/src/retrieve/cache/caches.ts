// The caches of a library, as the agent has them.

import type { QuotingStore } from '../erase-document.ts';
import type { AnswerCache } from './answer-cache.ts';
import type { Precomputed } from './precomputed.ts';
import type { VectorMemory } from './remember-vectors.ts';

export interface LibraryCaches {
  readonly answers: AnswerCache;
  readonly vectors: Pick<VectorMemory, 'figures'>;
  /** Whoever brings a collection from elsewhere may bring answers with it. */
  readonly precomputed: Precomputed;
  readonly quoting: QuotingStore;
}
