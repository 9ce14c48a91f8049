// An answer of the library as OpenAI's API has one: a completion with what it cites, whole or as a stream.

import type { ChatReply, ChatRequest, TextDecision } from '@skerry/models/openai';
import { ok, type Result } from '@skerry/shared';
import { quoteHeadingCharactersMax, quoteTitleCharactersMax } from '@skerry/sync-protocol';
import type { CheckedCitation, LibraryAnswer } from './ask.ts';
import type { CheckedSaid } from './check-sentences.ts';

export interface LibraryReply {
  readonly request: ChatRequest;
  readonly id: string;
  readonly nowMs: number;
  readonly said: CheckedSaid;
  readonly answer: LibraryAnswer;
  readonly decision: TextDecision;
  /** By this id a better answer will come, on the answers stream. */
  readonly pending: string | undefined;
  /** What was searched, where the question goes on from another. */
  readonly inContext?: string | undefined;
}

export function replyOf(reply: LibraryReply): Result<ChatReply> {
  const { request, decision } = reply;
  const completion = completionOf(reply);
  return ok(
    request.stream === true ? { decision, chunks: asChunks(completion) } : { decision, completion },
  );
}

function completionOf({ request, id, nowMs, said, answer, pending, inContext }: LibraryReply) {
  return {
    id: `chatcmpl-${id}`,
    object: 'chat.completion',
    created: Math.floor(nowMs / 1000),
    model: request.model,
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
      ...(pending === undefined ? {} : { pending }),
      ...(inContext === undefined ? {} : { asked: inContext }),
      confidence: answer.confidence,
      threshold: answer.threshold,
      mode: answer.mode,
      snapshots: answer.snapshots,
      published: answer.published,
      passages: answer.found.map(({ passage, score, similarity }) => ({
        collection: passage.collection,
        uri: passage.uri,
        heading: passage.heading,
        score,
        similarity,
      })),
    },
  };
}

/** A library elsewhere reads it as a quote, and no longer ones. */
export const describeCitation = ({ passage: _, ...citation }: CheckedCitation) => ({
  type: 'char_location',
  cited_text: citation.text,
  ...citation,
  title: citation.title.slice(0, quoteTitleCharactersMax),
  heading: citation.heading.slice(0, quoteHeadingCharactersMax),
});

/** One chunk with the words, and one that ends it: nothing of it is known before all is. */
async function* asChunks(completion: ReturnType<typeof completionOf>) {
  const [choice] = completion.choices;
  const chunk = { ...completion, object: 'chat.completion.chunk' };
  yield ok({ ...chunk, choices: [{ index: 0, delta: choice?.message, finish_reason: null }] });
  yield ok({ ...chunk, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
}
