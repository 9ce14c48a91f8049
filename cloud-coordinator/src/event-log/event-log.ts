// One log and its fold, as this process knows them. What it believes is checked with each append: where another has
// written meanwhile nothing is written, and whoever wanted to decides again.

import { describeIssues, err, failure, ok, parseJson, type Result } from '@skerry/shared';
import type { z } from 'zod';
import { type Append, type EventStore, eventsPerAppendMax } from './event-store.ts';
import { type Folded, type Folding, foldOldest } from './folding.ts';

export interface EventLog<Event, State> {
  readonly name: string;
  state(): State;
  /** In events, with those that were folded. */
  length(): number;
  /** How many lie in the log. */
  held(): number;
  /** Reads what was appended since, by whomever; returns it. */
  refresh(): Promise<Result<readonly Event[]>>;
  /** Why the last `refresh` failed, where the store gave what is no event, so that no state can be known, or too many. */
  unreadable(): string | undefined;
  /** It has all the events that it may. */
  isFull(): boolean;
  /**
   * `false`: another has written since; nothing has changed. Fails with `internal` for what could not be read again: a log
   * only grows, so one such event would be its end.
   */
  append(events: readonly Event[]): Promise<Result<boolean>>;
  /** What an append would be, for `appendTogether`; fails as it does. */
  draft(events: readonly Event[]): Result<Draft>;
  /** Where there are too many, the oldest become one. `undefined`: there was nothing to do. [RST7] */
  fold(): Promise<Result<Folded | undefined>>;
}

export interface Draft {
  readonly append: Append;
  /** The log has it now. */
  written(): void;
}

/** All of them or nothing, with one meaning of `false`: to some log another has written. */
export async function appendTogether(
  store: EventStore,
  drafts: readonly Draft[],
): Promise<Result<boolean>> {
  const appended = await store.appendAll(drafts.map(({ append }) => append));
  if (appended.ok && appended.value) for (const each of drafts) each.written();
  return appended;
}

const eventsPerRead = 256;
/** Of a rollout, or of a learning run: many times what any comes to. */
export const eventsPerLogMax = 2_000_000;

export function createEventLog<Event, State>(
  store: EventStore,
  name: string,
  schema: z.ZodType<Event>,
  initial: State,
  fold: (state: State, event: Event) => State,
  eventsMax = Number.POSITIVE_INFINITY,
  folding?: Folding<Event, State>,
): EventLog<Event, State> {
  let length = 0;
  /** Where the log begins, as far as is known. */
  let begins = 0;
  let state = initial;
  let unreadable: string | undefined;
  const take = (events: readonly Event[]): void => {
    for (const event of events) state = fold(state, event);
    length += events.length;
  };
  const draft = (events: readonly Event[]): Result<Draft> => {
    if (events.length > eventsPerAppendMax)
      return err(failure('too_large', `${events.length} events at once`));
    for (const event of events) {
      const { error } = schema.safeParse(event);
      if (error !== undefined)
        return err(failure('internal', `an event for ${name}: ${describeIssues(error, 'it')}`));
    }
    const append = { log: name, length, events: events.map(writeEvent) };
    const from = length;
    // A `refresh` that went on meanwhile may have found them.
    const written = (): void => {
      if (length === from) take(events);
    };
    return ok({ append, written });
  };
  return {
    name,
    state: () => state,
    length: () => length,
    held: () => length - begins,
    unreadable: () => unreadable,
    isFull: () => length - begins >= eventsMax,
    async refresh() {
      unreadable = undefined;
      const fresh: Event[] = [];
      for (;;) {
        const from = length;
        const page = await store.read(name, from, eventsPerRead);
        if (!page.ok) return page;
        // Another call has gone on meanwhile: what it has taken is not taken twice.
        if (length !== from) continue;
        const { place } = page.value;
        const read = readEvents(page.value.events, schema);
        const events = read.ok && place > from ? fromFold(name, read.value, folding) : read;
        if (!events.ok) {
          unreadable = events.error.message;
          return events;
        }
        const [first] = events.value;
        if (first !== undefined && folding?.foldedIn(first) !== undefined) begins = place;
        length = place;
        take(events.value);
        fresh.push(...events.value);
        // What is put aside for it is written to no more.
        if (length - begins >= eventsMax) {
          unreadable = `it holds ${length - begins} events; ${eventsMax} are the most that a log may`;
          return err(failure('too_large', unreadable));
        }
        if (events.value.length < eventsPerRead) return ok(fresh);
      }
    },
    async append(events) {
      const drafted = draft(events);
      if (!drafted.ok) return drafted;
      const { append, written } = drafted.value;
      const appended = await store.append(append.log, append.length, append.events);
      if (appended.ok && appended.value) written();
      return appended;
    },
    draft,
    async fold() {
      if (folding === undefined || length - begins < folding.eventsMax) return ok(undefined);
      const read = (texts: readonly string[]) => readEvents(texts, schema);
      const given = { store, name, read, initial, fold, folding };
      let done = await foldOldest(given, length);
      // What ends what is large may be among the latest.
      if (!done.ok && done.error.code === 'too_large') done = await foldOldest(given, length, 0);
      if (!done.ok) return done;
      begins = Math.max(begins, done.value.begins);
      return ok(done.value.folded);
    },
  };
}

/** What lies before them is gone: the first must stand for it. */
function fromFold<Event, State>(
  name: string,
  events: readonly Event[],
  folding: Folding<Event, State> | undefined,
): Result<readonly Event[]> {
  const [first] = events;
  return first === undefined || folding?.foldedIn(first) !== undefined
    ? ok(events)
    : err(failure('storage_failed', `events of ${name} are missing`));
}

/** An event as a log keeps it. */
export const writeEvent = (event: unknown): string => JSON.stringify(event);

/** Fails with `storage_failed`: a log is written by us alone. */
export function readEvents<Event>(
  texts: readonly string[],
  schema: z.ZodType<Event>,
): Result<readonly Event[]> {
  const events: Event[] = [];
  for (const text of texts) {
    const json = parseJson(new TextEncoder().encode(text), 'event', 'storage_failed');
    if (!json.ok) return json;
    const parsed = schema.safeParse(json.value);
    if (!parsed.success)
      return err(failure('storage_failed', `a log holds what is no event: ${text.slice(0, 80)}`));
    events.push(parsed.data);
  }
  return ok(events);
}
