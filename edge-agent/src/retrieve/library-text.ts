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
import { type Clock, createId, err, failure, ok, type Random, type Result } from '@skerry/shared';
import { readQuotes } from '@skerry/sync-protocol';
import { askLibrary, type CheckedCitation, type LibraryAnswer } from './ask.ts';
import { type CheckedSaid, checkQuotes, checkSentences } from './check-sentences.ts';
import type { LateQuestions } from './late-questions.ts';
import type { Library } from './library.ts';
import { promptFor } from './prompt.ts';

export const libraryModel = 'library';

export interface LibraryTextPorts {
  readonly library: Library;
  /** Whoever answers texts. */
  readonly text: TextServer & Required<Pick<TextServer, 'embed'>>;
  readonly clock: Clock;
  readonly random: Random;
  /** The model that is asked with passages. */
  readonly answerModel: string | undefined;
  /** Who takes a question that nobody can answer now. */
  readonly late?: Pick<LateQuestions, 'ask'> | undefined;
}

/** Of what is given to whoever answers. */
const promptTokensMax = 1_500;
const idontKnow = 'I do not know: nothing in the library answers that.';

export function createLibraryText(ports: LibraryTextPorts): LibraryTextPorts['text'] {
  const { library, text, clock, random } = ports;

  const collectionsOf = async (model: string): Promise<Result<readonly string[]>> => {
    const named = model.slice(libraryModel.length + 1);
    const names = await library.collections.list();
    if (!names.ok) return names;
    if (named === '') return names;
    return names.value.includes(named)
      ? ok([named])
      : err(failure('model_not_found', `no collection '${named}'`));
  };

  const completion = (model: string, said: CheckedSaid, answer: LibraryAnswer, later?: string) => ({
    id: `chatcmpl-${createId(clock.nowMs(), random)}`,
    object: 'chat.completion',
    created: Math.floor(clock.nowMs() / 1000),
    model,
    choices: [
      {
        index: 0,
        finish_reason: 'stop',
        message: {
          role: 'assistant',
          content: said.text,
          citations: said.citations.map(describeCitation),
          unverified: said.unverified,
        },
      },
    ],
    library: {
      // By this id the better answer will come, on the answers stream.
      ...(later === undefined ? {} : { pending: later }),
      confidence: answer.confidence,
      threshold: answer.threshold,
      mode: answer.mode,
      snapshots: answer.snapshots,
      passages: answer.found.map(({ passage, score, similarity }) => ({
        collection: passage.collection,
        uri: passage.uri,
        heading: passage.heading,
        score,
        similarity,
      })),
    },
  });

  const reply = (
    request: ChatRequest,
    said: CheckedSaid,
    answer: LibraryAnswer,
    decision: TextDecision,
    later?: string,
  ): Result<ChatReply> => {
    const whole = completion(request.model, said, answer, later);
    return ok(
      request.stream === true
        ? { decision, chunks: asChunks(whole) }
        : { decision, completion: whole },
    );
  };

  const askOthers = async (
    request: ChatRequest,
    answer: LibraryAnswer,
    terms: TextTerms,
  ): Promise<Result<{ said: CheckedSaid; decision: TextDecision }>> => {
    const { answerModel } = ports;
    if (answerModel === undefined) return err(failure('unavailable', 'nobody else answers'));
    const prompt = promptFor(
      questionOf(request),
      answer.found,
      promptTokensMax,
      library.embedder?.countTokens,
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
    if (!said.ok) return said;
    const { decision = { source: 'text', reason: 'asked', degraded: false } } = asked.value;
    return ok({ said: said.value, decision });
  };

  const chat = async (request: ChatRequest, terms: TextTerms): Promise<Result<ChatReply>> => {
    const collections = await collectionsOf(request.model);
    if (!collections.ok) return collections;
    const asked = {
      question: questionOf(request),
      collections: collections.value,
      reader: { principals: [] },
    };
    const answer = await askLibrary(library, asked);
    if (!answer.ok) return answer;
    const { text: known, citations, confidence: sure } = answer.value;
    if (known !== undefined)
      return reply(request, { text: known, citations, unverified: [] }, answer.value, {
        source: libraryModel,
        reason: 'confident',
        degraded: false,
        confidence: sure,
      });
    const other = await askOthers(request, answer.value, terms);
    if (other.ok) return reply(request, other.value.said, answer.value, other.value.decision);
    const { found, confidence: local } = answer.value;
    const later =
      ports.answerModel === undefined
        ? undefined
        : ports.late?.ask({
            question: asked.question,
            model: request.model,
            answerModel: ports.answerModel,
            confidence: local,
            found,
          });
    const why = `not confident; ${other.error.message}`;
    const unknown = { text: idontKnow, citations: [], unverified: [] };
    return reply(
      request,
      unknown,
      answer.value,
      { source: libraryModel, reason: why, degraded: true, confidence: local },
      later?.ok ? later.value : undefined,
    );
  };

  const isLibrary = (model: string): boolean =>
    model === libraryModel || model.startsWith(`${libraryModel}/`);

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
      isLibrary(request.model) ? chat(request, terms) : text.chat(request, terms),
    embed: text.embed,
  };
}

const describeCitation = ({ passage: _, ...citation }: CheckedCitation) => ({
  type: 'char_location',
  cited_text: citation.text,
  ...citation,
});

type Completion = {
  readonly choices: readonly { readonly message: { readonly content: string } }[];
};

/** One chunk with the words, and one that ends it: nothing of it is known before all is. */
async function* asChunks<C extends Completion>(completion: C) {
  const [choice] = completion.choices;
  const chunk = { ...completion, object: 'chat.completion.chunk' };
  yield ok({ ...chunk, choices: [{ index: 0, delta: choice?.message, finish_reason: null }] });
  yield ok({ ...chunk, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
}
