// How long logs of what has ended are kept. A log goes as a whole and only where something that is kept says all that still
// holds; so there may be more than the limit, and never one too few.

import { err, failure, type Log, ok, type Result } from '@skerry/shared';
import type { EventLog } from './event-log.ts';
import type { EventStore } from './event-store.ts';

export interface Retention {
  /** Of one kind, that have ended. */
  readonly endedMax: number;
  /** However few there are. */
  readonly endedMs: number;
}

const dayMs = 24 * 3_600_000;
export const retentionDefaults: Retention = { endedMax: 200, endedMs: 365 * dayMs };

/** Of one pass: the transaction holds others up. */
export const removalsMax = 4;
export const passEveryMs = 60_000;
/** Nothing goes sooner: what a device or another coordinator is about to say of it comes first. */
export const restMs = 3_600_000;

export interface Ended {
  readonly name: string;
  readonly endedMs: number;
}

/**
 * Which logs go now. Pure.
 * @param ended in the order in which they began
 * @param isCarried whether what is kept says all that this one says of the present
 */
export function planRemoval(
  ended: readonly Ended[],
  isCarried: (name: string) => boolean,
  { endedMax, endedMs }: Retention,
  nowMs: number,
): readonly string[] {
  const names: string[] = [];
  for (const each of ended) {
    if (names.length >= removalsMax) break;
    const agedMs = nowMs - each.endedMs;
    const isTooMany = ended.length - names.length > endedMax;
    if (agedMs < restMs || !(isTooMany || agedMs >= endedMs)) continue;
    if (isCarried(each.name)) names.push(each.name);
  }
  return names;
}

/** What this process has removed: to be counted. */
export type Removed = (logs: number, events: number) => void;

/** Of those that are open, the named ones: all in one transaction, except those that another has written to since. */
export async function removeLogs<Event, State>(
  store: EventStore,
  open: Map<string, { readonly log: EventLog<Event, State> }>,
  ended: readonly string[],
  journal: Log,
  removed: Removed,
): Promise<Result<void>> {
  const logs = ended.flatMap((name) => open.get(name)?.log ?? []);
  if (logs.length > removalsMax) return err(failure('too_large', `${logs.length} logs at once`));
  const gone = await store.remove(logs.map((log) => ({ name: log.name, length: log.length() })));
  if (!gone.ok) return gone;
  if (gone.value.length === 0) return ok(undefined);
  const names = new Set(gone.value);
  const events = logs.reduce((sum, log) => sum + (names.has(log.name) ? log.length() : 0), 0);
  journal.info(
    { logs: gone.value.length, events },
    `logs of what has ended are kept no longer: ${gone.value.join(', ')}`,
  );
  removed(gone.value.length, events);
  for (const name of gone.value) open.delete(name);
  return ok(undefined);
}
