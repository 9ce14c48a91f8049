// Conversations that follow their reader, where the device's owner wants that: each turn goes up as an op, and what others
// have said of a conversation is brought before it is gone on with. What is deleted here is to be forgotten there first.

import { type Clock, err, type Failure, failure, type Log, ok, type Result } from '@skerry/shared';
import {
  type Forget,
  forgottenTurnsMax,
  type Question,
  quoteCharactersMax,
  quoteHeadingCharactersMax,
  quoteTitleCharactersMax,
  turnCitationsMax,
  turnDocumentsMax,
  turnQuestionCharactersMax,
  type WireTurn,
} from '@skerry/sync-protocol';
import type {
  ConversationKey,
  ConversationStore,
  Share,
  SharedTurn,
  SharingConversationStore,
  Turn,
} from './conversation-store.ts';
import type { QuestionStore } from './question-store.ts';

/** Turns of a conversation that lie elsewhere. Fails with `unavailable` where nobody can be asked. */
export type FetchTurns = (
  key: ConversationKey,
  share: Share,
  leftMs: number,
) => Promise<Result<readonly WireTurn[]>>;

export interface ShareConversationsPorts {
  readonly store: SharingConversationStore;
  /** With whom new turns are shared; undefined: with nobody. */
  readonly share: Share | undefined;
  /** Makes it durable, and sets it going. */
  readonly append: (body: WireTurn | Forget) => Result<unknown>;
  /** Of turns, and of questions that were asked later, those that are meant and have not gone up go. */
  readonly withdraw: (isMeant: (body: WireTurn | Question) => boolean) => Result<unknown>;
  /** Where late answers to their questions are. */
  readonly questions: Pick<QuestionStore, 'drop'>;
  /** Absent: nobody is asked. */
  readonly fetchTurns?: FetchTurns | undefined;
  readonly linkUp: () => boolean;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly log: Log;
}

export interface SharedConversations extends Required<ConversationStore> {
  /** Of others; inside the transaction that applies it. */
  forgotten(forget: Forget): void;
  /** After that transaction: the bytes go, also of what has not gone up. */
  flush(told: readonly Forget[]): void;
}

/** A question waits for it. */
const bringMsMax = 500;

export function shareConversations(ports: ShareConversationsPorts): SharedConversations {
  const { store, append, withdraw, questions, fetchTurns, linkUp, clock, log } = ports;
  /** Of what others have deleted: in the outbox until `flush`. */
  let lateGone: readonly string[] = [];

  /** Of turns that go: what was asked later for them. */
  const lateOf = (key: ConversationKey, gone: Forget['gone']): readonly string[] =>
    store
      .turns(key, allTurns)
      .filter(({ id, atMs }) => isGone({ turn: id, atMs }, gone))
      .flatMap(({ later }) => later?.requestId ?? []);

  /** A conversation of nobody in particular stays here, or two people's would be one. */
  const shareOf = ({ reader }: ConversationKey): Share | undefined =>
    ports.share === 'site' && reader === '' ? undefined : ports.share;

  const askToForget = (
    share: Share,
    { reader, id: conversation }: ConversationKey,
    gone: Forget['gone'],
  ): Result<void> => {
    const asked = append({ kind: 'forget', share, reader, conversation, gone });
    if (!asked.ok) return err(notForgotten(asked.error));
    const withdrawn = withdraw(isTakenBy([{ reader, conversation, gone }], []));
    return withdrawn.ok ? ok(undefined) : withdrawn;
  };

  return {
    turns: store.turns,
    list: store.list,

    append(key, turn) {
      const share = shareOf(key);
      const kept = store.append(key, turn, share);
      if (!kept.ok) return kept;
      const shared = share === undefined ? ok(undefined) : append(wireOf(key, kept.value, share));
      // It is kept here all the same.
      if (!shared.ok) log.warn({ code: shared.error.code }, 'a turn of a conversation stays here');
      return ok(undefined);
    },

    remove(key) {
      const [last] = store.turns(key, 1);
      const atMs = Math.max(clock.nowMs(), last?.atMs ?? 0);
      const gone = { what: 'until' as const, atMs };
      const late = lateOf(key, gone);
      // Also what others have said of it, and nobody has brought here.
      const shares = new Set([...store.sharesOf(key), shareOf(key)]);
      for (const share of shares) {
        if (share === undefined) continue;
        const asked = askToForget(share, key, gone);
        if (!asked.ok) return asked;
        store.drop(key, gone);
      }
      const withdrawn = late.length === 0 ? ok(undefined) : withdraw(isTakenBy([], late));
      if (!withdrawn.ok) return withdrawn;
      questions.drop(late);
      const removed = store.remove(key);
      return removed.ok ? ok(last !== undefined || removed.value) : removed;
    },

    forget(document) {
      let dropped = 0;
      for (const { key, share, ids } of byConversation(store.quoting(document))) {
        const gone = { what: 'turns' as const, turns: ids };
        const asked = askToForget(share, key, gone);
        if (!asked.ok) return asked;
        dropped += store.drop(key, gone);
      }
      const forgotten = store.forget(document);
      if (!forgotten.ok) return forgotten;
      return ok({ turns: forgotten.value.turns + dropped, shared: dropped });
    },

    async bring(key) {
      const share = shareOf(key);
      if (share === undefined || fetchTurns === undefined || !linkUp()) return;
      const turns = await fetchTurns(key, share, bringMsMax);
      const merged = turns.ok ? store.merge(key, turns.value.map(turnOf), share) : turns;
      if (!merged.ok)
        log.debug({ code: merged.error.code }, 'a conversation goes on from what is here');
    },

    forgotten({ reader, conversation: id, gone }) {
      const late = lateOf({ reader, id }, gone);
      questions.drop(late);
      lateGone = [...lateGone, ...late];
      store.drop({ reader, id }, gone);
    },

    flush(told) {
      const withdrawn = withdraw(isTakenBy(told, lateGone));
      lateGone = [];
      const flushed = withdrawn.ok ? store.flush() : withdrawn;
      if (!flushed.ok)
        log.warn({ code: flushed.error.code }, 'what was forgotten is still in the store’s log');
    },
  };
}

/** More than may be kept. */
const allTurns = 1_000_000;

const isTakenBy =
  (told: readonly Pick<Forget, 'reader' | 'conversation' | 'gone'>[], late: readonly string[]) =>
  (body: WireTurn | Question): boolean =>
    body.kind === 'question'
      ? late.includes(body.requestId)
      : told.some(
          ({ reader, conversation, gone }) =>
            body.reader === reader && body.conversation === conversation && isGone(body, gone),
        );

const isGone = ({ turn, atMs }: Pick<WireTurn, 'turn' | 'atMs'>, gone: Forget['gone']): boolean =>
  gone.what === 'until' ? atMs <= gone.atMs : gone.turns.includes(turn);

const notForgotten = ({ code, message }: Failure): Failure =>
  failure(code, `nothing was deleted, for copies cannot be told to go: ${message}`);

interface ToForget {
  readonly key: ConversationKey;
  readonly share: Share;
  readonly ids: string[];
}

/** In words of so many turns. */
function byConversation(turns: readonly SharedTurn[]): readonly ToForget[] {
  const open = new Map<string, ToForget>();
  const all: ToForget[] = [];
  for (const { key, share, id } of turns) {
    const name = JSON.stringify([share, key.reader, key.id]);
    let last = open.get(name);
    if (last === undefined || last.ids.length >= forgottenTurnsMax) {
      last = { key, share, ids: [] };
      open.set(name, last);
      all.push(last);
    }
    last.ids.push(id);
  }
  return all;
}

const wireOf = (
  { reader, id: conversation }: ConversationKey,
  { id, question, said, source, read = [], atMs }: Turn,
  share: Share,
): WireTurn => ({
  ...{ kind: 'turn', share, reader, conversation, turn: id, atMs, source },
  question: question.slice(0, turnQuestionCharactersMax),
  read: [...uniqueOf(read)].slice(0, turnDocumentsMax),
  said: {
    text: said.text,
    // The passage's number is this device's own.
    citations: said.citations
      .slice(0, turnCitationsMax)
      .map(({ passage: _, verified: __, ...citation }) => ({
        ...citation,
        title: citation.title.slice(0, quoteTitleCharactersMax),
        heading: citation.heading.slice(0, quoteHeadingCharactersMax),
        text: citation.text.slice(0, quoteCharactersMax),
      })),
    unverified: said.unverified
      .slice(0, turnCitationsMax)
      .map((s) => s.slice(0, quoteCharactersMax)),
  },
});

const uniqueOf = (documents: NonNullable<Turn['read']>) =>
  new Map(
    documents.map(({ collection, uri }) => [`${collection} ${uri}`, { collection, uri }]),
  ).values();

/** What it cites nobody has looked up here. */
const turnOf = ({ turn, question, said, source, read, atMs }: WireTurn): Turn => ({
  ...{ id: turn, question, source, read, atMs },
  said: {
    ...said,
    citations: said.citations.map(({ page, number, ...citation }) => ({
      ...{ ...citation, passage: 0, verified: false },
      ...(page === undefined ? {} : { page }),
      ...(number === undefined ? {} : { number }),
    })),
  },
});
