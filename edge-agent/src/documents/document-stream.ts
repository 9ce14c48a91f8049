// Documents for apps that want to hear of each change. Nothing is queued a subscriber: each reads the newest state when it
// is ready for it, so a slow one skips what has been overtaken and never the last; versions outlive the process, so one
// that comes back with the last it saw gets what is newer, or waits.

import { err, failure, ok, type Result } from '@skerry/shared';
import type { DocumentScope, DocumentView } from '@skerry/sync-protocol/documents';

export interface DocumentStream {
  /** The document whenever its version is not `seen`, until `signal` aborts. Fails with `overloaded`. */
  subscribe(
    scope: DocumentScope,
    seen: number | undefined,
    signal: AbortSignal,
  ): Result<AsyncGenerator<DocumentView, void, undefined>>;
  /** Call when a document has changed. */
  wake(document: string): void;
}

const subscribersMax = 64;

export function createDocumentStream(
  read: (document: string) => Promise<Result<DocumentView>>,
  names: Readonly<Record<DocumentScope, string>>,
): DocumentStream {
  const sleepers = new Map<() => void, string>();
  let subscribers = 0;

  const news = (document: string, signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const done = (): void => {
        sleepers.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      sleepers.set(done, document);
      signal.addEventListener('abort', done, { once: true });
    });

  async function* follow(document: string, start: number | undefined, signal: AbortSignal) {
    let seen = start;
    try {
      while (!signal.aborted) {
        // Asked for before the read, so that what changes during it wakes us too.
        const woken = news(document, signal);
        const view = await read(document);
        if (signal.aborted || !view.ok) return;
        if (view.value.version === seen) await woken;
        else {
          yield view.value;
          seen = view.value.version;
        }
      }
    } finally {
      subscribers -= 1;
    }
  }

  return {
    subscribe(scope, seen, signal) {
      if (subscribers >= subscribersMax)
        return err(failure('overloaded', `${subscribers} subscribers already`));
      subscribers += 1;
      return ok(follow(names[scope], seen, signal));
    },
    wake(document) {
      for (const [wake, waitsFor] of [...sleepers]) if (waitsFor === document) wake();
    },
  };
}
