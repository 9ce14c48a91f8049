// The document engine without a worker: each call is done when it returns, so a world that is run by a seed repeats.

import { err, failure, messageOf, ok, type Result } from '@skerry/shared';
import { createAutomergeDocuments, Refused } from '../automerge/automerge-documents.ts';
import type { DocumentEngine } from '../documents/engine.ts';

export function createInlineEngine(): DocumentEngine {
  const documents = createAutomergeDocuments();
  const attempt = async <T>(action: () => T): Promise<Result<T>> => {
    try {
      return ok(action());
    } catch (thrown) {
      return err(
        thrown instanceof Refused ? thrown.failure : failure('runtime_failed', messageOf(thrown)),
      );
    }
  };
  return {
    open: (...args) => attempt(() => documents.open(...args)),
    edit: (...args) => attempt(() => documents.edit(...args)),
    integrate: (...args) => attempt(() => documents.integrate(...args)),
    since: (...args) => attempt(() => documents.since(...args)),
    known: (...args) => attempt(() => documents.known(...args)),
    lastOfActors: (...args) => attempt(() => documents.lastOfActors(...args)),
    leaves: (...args) => attempt(() => documents.leaves(...args)),
    read: (...args) => attempt(() => documents.read(...args)),
    save: (...args) => attempt(() => documents.save(...args)),
    replace: (...args) => attempt(() => documents.replace(...args)),
    dropPast: (...args) => attempt(() => documents.dropPast(...args)),
    async close() {},
  };
}
