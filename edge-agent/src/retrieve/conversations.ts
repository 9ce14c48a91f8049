// A conversation with the library: which one a request names, what it goes on from, and what is kept of it.

import { type ChatRequest, questionOf } from '@skerry/models/openai';
import { describeIssues, err, failure, type Log, ok, type Result } from '@skerry/shared';
import { conversationIdSchema, conversationReaderSchema } from '@skerry/sync-protocol';
import { z } from 'zod';
import type { GoesOn, LibraryAnswer } from './ask.ts';
import type {
  ConversationKey,
  ConversationStore,
  ForgottenTurns,
  Turn,
} from './conversation-store.ts';
import type { QuotingStore, StoreErasure } from './erase-document.ts';
import { topicOf } from './follow-up.ts';
import { askedCharactersMax } from './prompt.ts';

/** Of those before, looked at for what a question goes on from. */
const turnsBack = 8;

const namedSchema = z.object({
  metadata: z.looseObject({ conversation: conversationIdSchema.optional() }).nullish(),
  safety_identifier: conversationReaderSchema.nullish(),
  user: conversationReaderSchema.nullish(),
});

/** Undefined: it names none, and nothing is kept of it. */
export function conversationOf(request: ChatRequest): Result<ConversationKey | undefined> {
  const named = namedSchema.safeParse(request);
  if (!named.success) return err(failure('invalid_argument', describeIssues(named.error)));
  const { metadata, safety_identifier: identifier, user } = named.data;
  const id = metadata?.conversation;
  return ok(id === undefined ? undefined : { reader: identifier ?? user ?? '', id });
}

/** From what the request has of the conversation itself, else from what is kept of it. */
export function goesOnFrom(
  request: ChatRequest,
  key: ConversationKey | undefined,
  store: Pick<ConversationStore, 'turns'> | undefined,
): GoesOn | undefined {
  const sent = request.messages.filter(({ role }) => role === 'user').slice(0, -1);
  const turns = sent.length === 0 && key && store ? store.turns(key, turnsBack) : [];
  const earlier =
    sent.length > 0
      ? sent.slice(-turnsBack).map((message) => questionOf({ ...request, messages: [message] }))
      : turns.map(({ question }) => question);
  const topic = topicOf(questionOf(request), earlier);
  if (topic === undefined) return undefined;
  const given = turns.flatMap(({ said }) => said.citations.map(({ text }) => text));
  return { topic: topic.slice(0, topicCharactersMax), given: new Set(given) };
}

/** What others have said of it first, unless the request has the conversation itself. */
export async function bringOthers(
  request: ChatRequest,
  key: ConversationKey | undefined,
  store: Pick<ConversationStore, 'bring'> | undefined,
): Promise<void> {
  const asked = request.messages.filter(({ role }) => role === 'user');
  if (key !== undefined && asked.length === 1) await store?.bring?.(key);
}

/** A topic is searched with each question that goes on from it. */
const topicCharactersMax = 1_000;

/** That it cannot be kept is no reason not to give the answer. */
export function keepTurn(
  store: ConversationStore,
  key: ConversationKey,
  turn: Omit<Turn, 'later'> & {
    readonly pending: string | undefined;
    readonly found: LibraryAnswer['found'];
  },
  log: Log,
): void {
  const { pending, found, question, ...rest } = turn;
  const documents = found.map(({ passage: { collection, digest } }) => ({
    collection,
    digest,
  }));
  const kept = store.append(key, {
    ...rest,
    question: question.slice(0, askedCharactersMax),
    ...(pending === undefined ? {} : { later: { requestId: pending, documents } }),
  });
  if (!kept.ok) log.warn({ code: kept.error.code }, 'a turn of a conversation is not kept');
}

export const forgetConversations = (store: Pick<ConversationStore, 'forget'>): QuotingStore => ({
  async forget(document) {
    const forgotten = store.forget(document);
    return forgotten.ok ? ok(erasuresOf(forgotten.value)) : forgotten;
  },
});

function erasuresOf({ turns, shared }: ForgottenTurns): readonly StoreErasure[] {
  const here: StoreErasure = { store: 'conversations', state: 'erased', count: turns };
  const elsewhere: StoreErasure = {
    store: 'conversations at the coordinator, and on devices that hold copies',
    state: 'pending',
    count: shared,
    note: 'each is told to forget them when there is a link; what backups keep this device cannot tell',
  };
  return shared === 0 ? [here] : [here, elsewhere];
}
