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
import type { AnswerCache, Look, Recall } from './cache/answer-cache.ts';
import { type CheckedSaid, checkQuotes, checkSentences, knowing } from './check-sentences.ts';
import type { ConversationStore } from './conversation-store.ts';
import { bringOthers, conversationOf, goesOnFrom, keepTurn } from './conversations.ts';
import type { LateQuestions } from './late-questions.ts';
import type { Library } from './library.ts';
import { type AnswerSummary, type Recalled, replyOf, summaryOf } from './library-reply.ts';
import type { Reader } from './passage.ts';
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
  /** Who remembers answers. */
  readonly cache?: Pick<AnswerCache, 'look'> | undefined;
}

/** What is asked, with what it goes on from. */
interface Asked {
  readonly request: ChatRequest;
  readonly collections: readonly string[];
  readonly goesOn: GoesOn | undefined;
  /** A question by itself. */
  readonly whole: string;
  /** By which the cache would keep its answer; absent where it is for nobody else. */
  readonly key?: string | undefined;
}

/** What is said to a question, and how it came about. */
interface Answered {
  readonly said: CheckedSaid;
  readonly summary: AnswerSummary;
  readonly decision: TextDecision;
  readonly pending?: string | undefined;
  readonly recalled?: Recalled;
  /** Whose passages it was made from. */
  readonly found?: LibraryAnswer['found'];
}

/** In OpenAI's API nobody says who asks. */
const reader: Reader = { principals: [] };

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
  const askLater = (
    { request, whole, key, collections }: Asked,
    answer: LibraryAnswer,
  ): string | undefined => {
    const { answerModel, late } = ports;
    if (answerModel === undefined || late === undefined) return undefined;
    const { found, confidence } = answer;
    const question = { question: whole, model: request.model, answerModel };
    const remembering =
      key === undefined ? undefined : { key, collections, summary: summaryOf(answer) };
    const asked = late.ask({ ...question, confidence, found, remembering });
    if (asked.ok) return asked.value;
    const { code, message } = asked.error;
    log.warn({ code }, `a question is not asked later: ${message}`);
    return undefined;
  };

  /** By its own passages alone. */
  const askOwn = ({ request, collections, goesOn }: Asked, signal: AbortSignal) =>
    askLibrary(library, { question: questionOf(request), goesOn, collections, reader, signal });

  /** By its own passages, else by whoever answers texts, else as far as it can. */
  const compute = async (
    asked: Asked,
    terms: TextTerms,
    within: Within,
  ): Promise<Result<Answered>> => {
    const answered = await within((_, signal) => askOwn(asked, signal));
    if (!answered.ok) return answered;
    const answer = answered.value;
    const { text: known, citations, confidence, isSure, found } = answer;
    const summary = summaryOf(answer);
    const said =
      known === undefined
        ? { text: idontKnow, citations: [], unverified: [] }
        : { text: known, citations, unverified: [] };
    const source = { source: libraryModel, confidence };
    const decision = { ...source, reason: 'confident', degraded: false };
    if (isSure) return ok({ said, summary, decision, found });
    const other = await within((leftMs, signal) =>
      askOthers(asked, answer, { ...terms, leftMs, signal }),
    );
    if (other.ok) return ok({ ...other.value, summary, found });
    const reason = `not confident; ${other.error.message}`;
    const pending = askLater(asked, answer);
    return ok({ said, summary, decision: { ...source, reason, degraded: true }, pending, found });
  };

  /** Remembered, where the cache has it; what is computed it is given to keep. */
  const answer = async (
    asked: Asked,
    terms: TextTerms,
    within: Within,
  ): Promise<Result<Answered>> => {
    const { whole: question, collections, goesOn } = asked;
    // What goes on from another question is answered by what was said before: it is of that conversation alone. [CAC1]
    const cache = goesOn === undefined ? ports.cache : undefined;
    const looked = await within(
      async (): Promise<Result<Look | undefined>> =>
        ok(await cache?.look({ question, collections, reader, answerModel: ports.answerModel })),
    );
    if (!looked.ok) return looked;
    const recall = looked.value?.recall;
    if (recall !== undefined && !recall.judged) return ok(recalledOf(recall));
    const computed = await compute({ ...asked, key: looked.value?.key }, terms, within);
    if (!computed.ok) return recall === undefined ? computed : ok(recalledOf(recall));
    const { said, summary, decision } = computed.value;
    const { source, confidence } = decision;
    const kept = { said, summary, source, ...(confidence === undefined ? {} : { confidence }) };
    await looked.value?.computed(kept, decision.degraded);
    return computed;
  };

  const chat = async (
    request: ChatRequest,
    terms: TextTerms,
    within: Within,
  ): Promise<Result<ChatReply>> => {
    const key = conversationOf(request);
    if (!key.ok) return key;
    const collections = await within(() => collectionsOf(library, request.model));
    if (!collections.ok) return collections;
    await within(async () => ok(await bringOthers(request, key.value, conversations)));
    const goesOn = goesOnFrom(request, key.value, conversations);
    const question = questionOf(request);
    const whole = wholeQuestion({ question, goesOn });
    const asked = { request, collections: collections.value, goesOn, whole };
    const answered = await answer(asked, terms, within);
    if (!answered.ok) return answered;
    const { said, decision, pending, found = [], ...rest } = answered.value;
    const nowMs = clock.nowMs();
    const { source } = decision;
    const read = readFor(answered.value);
    const id = createId(nowMs, random);
    const turn = { id, question, said, source, read, atMs: nowMs, pending, found };
    if (key.value !== undefined && conversations !== undefined)
      keepTurn(conversations, key.value, turn, log);
    const inContext = goesOn === undefined ? undefined : whole;
    return replyOf({ request, id, nowMs, said, decision, pending, inContext, ...rest });
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

/** Of what another has said: documents that it had in hand, whether it cites them or not. [CON6] */
function readFor({ decision, recalled, summary }: Answered) {
  const by = recalled?.source ?? decision.source;
  return by === libraryModel
    ? []
    : summary.passages.map(({ collection, uri }) => ({ collection, uri }));
}

/** [CAC8] That it is from the cache, how old it is, and who has said it, stands in the answer. */
function recalledOf({ answer, recalled }: Recall): Answered {
  const { said, summary, confidence } = answer;
  const { cache, source, ageMs } = recalled;
  const seconds = Math.round(ageMs / 1_000);
  const decision = {
    source: 'cache',
    reason: `${cache}: answered by ${source} ${seconds} s ago`,
    degraded: cache === 'semantic',
    ...(confidence === undefined ? {} : { confidence }),
  };
  return { said, summary, decision, recalled };
}
