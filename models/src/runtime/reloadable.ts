// Something that runs, can be let go, and opened again: a model that an operator unloads and loads while others ask it.

import { ok, type Result } from '@skerry/shared';

export interface Reloadable<T> {
  /** Undefined while it is unloaded. */
  current(): T | undefined;
  load(): Promise<Result<void>>;
  unload(): Promise<void>;
}

interface Closable {
  close(): Promise<void>;
}

/** Opens it at once, so that what cannot run is known at start. Loading anew opens first and closes the old one then. */
export async function openReloadable<T extends Closable>(
  open: () => Promise<Result<T>>,
): Promise<Result<Reloadable<T>>> {
  const first = await open();
  if (!first.ok) return first;
  let current: T | undefined = first.value;
  let last: Promise<unknown> = Promise.resolve();
  /** One change after the other: two of them at once would leave one open that nobody closes. */
  const next = <R>(change: () => Promise<R>): Promise<R> => {
    const done = last.then(change);
    // Whoever asked for a change hears that it threw; who comes after it is not to.
    last = done.catch(() => {});
    return done;
  };
  return ok({
    current: () => current,
    load: () =>
      next(async () => {
        const opened = await open();
        if (!opened.ok) return opened;
        const before = current;
        current = opened.value;
        await before?.close();
        return ok(undefined);
      }),
    unload: () =>
      next(async () => {
        const before = current;
        current = undefined;
        await before?.close();
      }),
  });
}
