// A folder whose files are a collection's documents. It is looked at when it starts, when something tells of a change, and
// now and then all the same: what tells of changes may miss some. One look at a time, one file after the other.

import { type Clock, failure, type Log, ok, type Result } from '@skerry/shared';
import { keepLooking } from './keep-looking.ts';
import { isTemporary, mediaTypeOf } from './media-type.ts';
import { emptyMemory, type FolderLook, planFolder, type SeenFile, stampOf } from './plan-folder.ts';
import { type RunningSource, retryMs, type SourceState } from './running-source.ts';
import type { FolderSource } from './source-config.ts';
import type { SourceStore } from './source-store.ts';
import type { TakeIn } from './take-in.ts';

/** A folder on disk. */
export interface FolderPort {
  /** All files in it, within the bounds; links are not followed. Fails with `unavailable` where it is not there. */
  list(): Promise<Result<FolderLook>>;
  /** Fails with `not_found` where it is none of the folder's files any more. */
  read(file: SeenFile): Promise<Result<Uint8Array>>;
  /** Tells of changes, as far as it can. */
  watch(onChange: () => void): void;
  close(): void;
}

export function startFolder(
  config: FolderSource,
  ports: {
    readonly folder: FolderPort;
    readonly takeIn: TakeIn;
    readonly store: SourceStore;
    readonly clock: Clock;
    readonly log: Log;
  },
): RunningSource {
  const { folder, takeIn, store, clock, log } = ports;
  const { name, kind, collection, settleMs, rescanMs } = config;
  let memory = emptyMemory;
  let state: Pick<SourceState, 'state' | 'reason' | 'lastMs'> = { state: 'starting' };
  let closed = false;

  const takeFile = async (file: SeenFile): Promise<Result<unknown>> => {
    const thing = {
      key: file.path,
      stamp: stampOf(file),
      mediaType: mediaTypeOf(file.path),
    };
    if (thing.mediaType === 'application/octet-stream')
      return takeIn.refuse(thing, failure('invalid_argument', 'no kind of document, by its name'));
    const bytes = await folder.read(file);
    // It has changed, or gone: the next look sees it.
    if (!bytes.ok)
      return bytes.error.code === 'not_found' ? ok(undefined) : takeIn.refuse(thing, bytes.error);
    return takeIn.take(thing, bytes.value);
  };

  /** In how many ms to look again. */
  const look = async (): Promise<number> => {
    state = { ...state, state: 'looking' };
    const listed = await folder.list();
    if (!listed.ok) {
      state = { ...state, state: 'away', reason: listed.error.message };
      return rescanMs;
    }
    const files = listed.value.files.filter(({ path }) => !path.split('/').some(isTemporary));
    const terms = { nowMs: clock.monotonicMs(), settleMs, terms: takeIn.terms };
    const plan = planFolder({ ...listed.value, files }, store.entries(name), memory, terms);
    memory = plan.memory;
    let failed: string | undefined;
    // What is new first: of a file that has moved, its passages' vectors are still there.
    const steps = [
      ...plan.take.map((file) => () => takeFile(file)),
      ...plan.drop.map((path) => () => takeIn.drop(path)),
    ];
    for (const step of steps) {
      if (closed) break;
      const done = await step();
      if (!done.ok) failed = done.error.message;
    }
    if (steps.length > 0)
      log.info(
        { source: name, taken: plan.take.length, dropped: plan.drop.length },
        'a folder was taken in',
      );
    const emptied = plan.emptied
      ? 'all its files are gone at once: nothing is taken out'
      : undefined;
    const reason = failed ?? emptied ?? listed.value.cut;
    state = {
      state: 'waiting',
      lastMs: clock.nowMs(),
      ...(reason === undefined ? {} : { reason }),
    };
    if (failed !== undefined) return Math.min(retryMs, rescanMs);
    return plan.waits ? Math.min(Math.max(settleMs, 1), rescanMs) : rescanMs;
  };

  const looking = keepLooking(clock, look, (reason) => {
    state = { state: 'away', reason };
    log.error({ source: name, reason }, 'a folder met a bug');
    return rescanMs;
  });
  folder.watch(looking.tell);

  return {
    state: () => ({ name, kind, collection, ...state }),
    async close() {
      closed = true;
      folder.close();
      await looking.close();
    },
  };
}
