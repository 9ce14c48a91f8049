// The caches as stores that quote documents.

import { ok } from '@skerry/shared';
import type { QuotingStore } from '../erase-document.ts';
import type { Changes } from './purging-collections.ts';
import type { VectorMemory } from './remember-vectors.ts';

export const forgetCaches = (
  changes: Pick<Changes, 'purge'>,
  vectors: Pick<VectorMemory, 'forget'>,
): QuotingStore => ({
  async forget({ collection, uri }) {
    const purged = changes.purge({ collection, uri });
    if (!purged.ok) return purged;
    const answers = { store: 'cached answers', state: 'erased', count: purged.value } as const;
    // Whose they were is not known: all of them go, and come again when they are needed.
    const count = vectors.forget();
    return ok([answers, { store: 'vectors in memory', state: 'erased', count } as const]);
  },
});
