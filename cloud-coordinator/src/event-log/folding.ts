// How a log that nothing ends stays bounded: its oldest events become one that says what they have come to. What it says is
// the whole state, so nobody who lives rests on them; what they were is told by a digest, so that whoever kept them can show it.

import { type Digest, digestSchema, err, failure, ok, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { z } from 'zod';
import { type EventStore, eventCharsMax } from './event-store.ts';

/** What a fold stands for, with all that earlier folds stood for. */
export const foldedSchema = z.strictObject({
  events: z.int().positive(),
  /** Of each event's text behind the digest of those before it, from the log's first on. */
  digest: digestSchema,
});
export type Folded = z.infer<typeof foldedSchema>;

export interface Folding<Event, State> {
  /** Of events that lie in the log: where there are as many, the oldest are folded. */
  readonly eventsMax: number;
  /** The latest stay as they are, where what is before them comes to no more than an event may hold. */
  readonly eventsKept: number;
  /** Of an event that is a fold. */
  foldedIn(event: Event): Folded | undefined;
  /** Folded itself it gives `state`, but for what holds no longer. */
  make(state: State, folded: Folded): Event;
}

/** The digest of all events up to one, by its text; `before` is that of those before it. */
export const chainDigest = (before: Digest | '', text: string): Digest =>
  sha256(new TextEncoder().encode(`${before}${text}`));

interface Fold<Event, State> {
  readonly store: EventStore;
  readonly name: string;
  readonly read: (texts: readonly string[]) => Result<readonly Event[]>;
  readonly initial: State;
  readonly fold: (state: State, event: Event) => State;
  readonly folding: Folding<Event, State>;
}

const eventsPerRead = 256;

/**
 * From the log itself and not from what anybody believes of it. Returns what was folded, and where the log begins now;
 * `undefined` where there was too little, or another was first. Fails with `too_large` where it comes to more than an
 * event may hold, and with `storage_failed` where it comes to what could not be read again.
 */
export async function foldOldest<Event, State>(
  { store, name, read, initial, fold, folding }: Fold<Event, State>,
  length: number,
  eventsKept = folding.eventsKept,
): Promise<Result<{ readonly begins: number; readonly folded?: Folded }>> {
  let state = initial;
  let events = 0;
  let digest: Digest | '' = '';
  let begins: number | undefined;
  const to = length - eventsKept;
  for (let at = 0; at < to; ) {
    const page = await store.read(name, at, eventsPerRead);
    if (!page.ok) return page;
    const { place } = page.value;
    begins ??= place;
    if (length - begins < folding.eventsMax) return ok({ begins });
    // Another folds it at this moment.
    if (at > 0 && place !== at) return ok({ begins });
    const texts = page.value.events.slice(0, to - place);
    const parsed = read(texts);
    if (!parsed.ok) return parsed;
    for (const [i, event] of parsed.value.entries()) {
      state = fold(state, event);
      const before = folding.foldedIn(event);
      events = before?.events ?? events + 1;
      digest = (before?.digest as Digest) ?? chainDigest(digest, texts[i] as string);
    }
    if (texts.length === 0) return ok({ begins });
    at = place + texts.length;
  }
  if (begins === undefined || digest === '') return ok({ begins: begins ?? 0 });
  const folded: Folded = { events, digest };
  const text = JSON.stringify(folding.make(state, folded));
  if (text.length > eventCharsMax)
    return err(failure('too_large', `${name} comes to ${text.length} characters`));
  // What it stands for will be gone: a fold that nobody can read would be the end of all that lives.
  const legible = read([text]);
  if (!legible.ok) return legible;
  const done = await store.fold(name, { from: begins, to }, text);
  if (!done.ok) return done;
  return ok(done.value ? { begins: to - 1, folded } : { begins });
}
