// The library as one who answers in OpenAI's API, under the model `library`, or `library/COLLECTION`: from its own passages
// where they are an answer; else by whoever answers texts, who is given the passages; else it says that it does not know.

import {
  type ChatReply,
  type ChatRequest,
  citationsOf,
  contentOf,
  questionOf,
  type TextDecision,
  type TextServer,
  type TextTerms,
} from '@skerry/models/openai';
import {
  type Clock,
  createId,
  err,
  failure,
  type Log,
  ok,
  type Random,
  type Result,
} from '@skerry/shared';
import { readQuotes } from '@skerry/sync-protocol';
import { createAdmission, type Within } from './admission.ts';
import { askLibrary, type GoesOn, type LibraryAnswer, wholeQuestion } from './ask.ts';
import { type CheckedSaid, checkQuotes, checkSentences, knowing } from './check-sentences.ts';
import type { ConversationStore } from './conversation-store.ts';
import { conversationOf, goesOnFrom, keepTurn } from './conversations.ts';
import type { LateQuestions } from './late-questions.ts';
import type { Library } from './library.ts';
import { replyOf } from './library-reply.ts';
import { promptFor } from './prompt.ts';

export const libraryModel = 'library';

export interface LibraryTextPorts {
  readonly library: Library;
  /** Whoever answers texts. */
  readonly text: TextServer & Required<Pick<TextServer, 'embed'>>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The model that is asked with passages. */
  readonly answerModel: string | undefined;
  /** Of what it is given, the rules not counted. */
  readonly promptTokensMax?: number;
  /** Questions under way at once. */
  readonly requestsMax: number;
  /** Who takes a question that nobody can answer now. */
  readonly late?: Pick<LateQuestions, 'ask'> | undefined;
  /** Where conversations are kept. */
  readonly conversations?: ConversationStore | undefined;
}

/** What is asked, with what it goes on from. */
interface Asked {
  readonly request: ChatRequest;
  readonly goesOn: GoesOn | undefined;
  /** A question by itself. */
  readonly whole: string;
}

const idontKnow = 'I do not know: nothing in the library answers that.';

const isLibrary = (model: string): boolean =>
  model === libraryModel || model.startsWith(`${libraryModel}/`);

/** Those that the model's name means. */
async function collectionsOf(
  { collections }: Library,
  model: string,
): Promise<Result<readonly string[]>> {
  const named = model.slice(libraryModel.length + 1);
  const names = await collections.list();
  if (!names.ok || named === '') return names;
  return names.value.includes(named)
    ? ok([named])
    : err(failure('model_not_found', `no collection '${named}'`));
}

export function createLibraryText(ports: LibraryTextPorts): LibraryTextPorts['text'] {
  const { library, text, clock, random, log, conversations } = ports;
  const admit = createAdmission(ports.requestsMax, clock);

  const askOthers = async (
    { whole }: Asked,
    answer: LibraryAnswer,
    terms: TextTerms,
  ): Promise<Result<{ said: CheckedSaid; decision: TextDecision }>> => {
    const { answerModel } = ports;
    if (answerModel === undefined) return err(failure('unavailable', 'nobody else answers'));
    const prompt = promptFor(
      whole,
      answer.found,
      library.embedder?.countTokens,
      ports.promptTokensMax,
    );
    const asked = await text.chat({ model: answerModel, messages: [...prompt.messages] }, terms);
    if (!asked.ok) return asked;
    const completion = 'completion' in asked.value ? asked.value.completion : {};
    const words = contentOf(completion);
    if (words === undefined) return err(failure('malformed_message', 'it has said nothing'));
    const quotes = readQuotes(citationsOf(completion));
    const said =
      quotes === undefined
        ? await checkSentences(library, words, prompt.passages)
        : await checkQuotes(library, words, quotes);
    const known = knowing(said);
    if (!known.ok) return known;
    const { decision = { source: 'text', reason: 'asked', degraded: false } } = asked.value;
    return ok({ said: known.value, decision });
  };

  /** For later; its id, where the outbox took it. */
  const askLater = ({ request, whole }: Asked, answer: LibraryAnswer): string | undefined => {
    const { answerModel, late } = ports;
    if (answerModel === undefined || late === undefined) return undefined;
    const { found, confidence } = answer;
    const question = { question: whole, model: request.model, answerModel };
    const asked = late.ask({ ...question, confidence, found });
    if (asked.ok) return asked.value;
    const { code, message } = asked.error;
    log.warn({ code }, `a question is not asked later: ${message}`);
    return undefined;
  };

  /** By its own passages alone. */
  const askOwn = async ({ request, goesOn }: Asked, signal: AbortSignal) => {
    const collections = await collectionsOf(library, request.model);
    if (!collections.ok) return collections;
    return askLibrary(library, {
      question: questionOf(request),
      goesOn,
      collections: collections.value,
      reader: { principals: [] },
      signal,
    });
  };

  const chat = async (
    request: ChatRequest,
    terms: TextTerms,
    within: Within,
  ): Promise<Result<ChatReply>> => {
    const key = conversationOf(request);
    if (!key.ok) return key;
    const goesOn = goesOnFrom(request, key.value, conversations);
    const whole = wholeQuestion({ question: questionOf(request), goesOn });
    const asked = { request, goesOn, whole };
    const answered = await within((_, signal) => askOwn(asked, signal));
    if (!answered.ok) return answered;
    const answer = answered.value;
    const { text: known, citations, confidence, isSure } = answer;
    const reply = (said: CheckedSaid, decision: TextDecision, pending?: string) => {
      const nowMs = clock.nowMs();
      const id = createId(nowMs, random);
      const question = questionOf(request);
      const { source } = decision;
      if (key.value !== undefined && conversations !== undefined)
        keepTurn(
          conversations,
          key.value,
          { question, said, source, atMs: nowMs, pending, answer },
          log,
        );
      const inContext = goesOn === undefined ? undefined : whole;
      return replyOf({ request, id, nowMs, said, answer, decision, pending, inContext });
    };
    const own =
      known === undefined
        ? { text: idontKnow, citations: [], unverified: [] }
        : { text: known, citations, unverified: [] };
    const source = { source: libraryModel, confidence };
    if (isSure) return reply(own, { ...source, reason: 'confident', degraded: false });
    const other = await within((leftMs, signal) =>
      askOthers(asked, answer, { ...terms, leftMs, signal }),
    );
    if (other.ok) return reply(other.value.said, other.value.decision);
    const reason = `not confident; ${other.error.message}`;
    return reply(own, { ...source, reason, degraded: true }, askLater(asked, answer));
  };

  return {
    name: text.name,
    async list(terms) {
      const others = await text.list(terms);
      const names = await library.collections.list();
      if (!others.ok || !names.ok || names.value.length === 0) return others;
      const own = [libraryModel, ...names.value.map((name) => `${libraryModel}/${name}`)];
      return ok([...others.value, ...own].sort());
    },
    chat: (request, terms) =>
      isLibrary(request.model)
        ? admit(terms, (within) => chat(request, terms, within))
        : text.chat(request, terms),
    embed: text.embed,
  };
}
