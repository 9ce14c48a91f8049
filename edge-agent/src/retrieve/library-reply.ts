// An answer of the library as OpenAI's API has one: a completion with what it cites, whole or as a stream.

import type { ChatReply, ChatRequest, TextDecision } from '@skerry/models/openai';
import { ok, type Result } from '@skerry/shared';
import { quoteHeadingCharactersMax, quoteTitleCharactersMax } from '@skerry/sync-protocol';
import type { CheckedCitation, LibraryAnswer } from './ask.ts';
import type { CheckedSaid } from './check-sentences.ts';

/** What is said of an answer beside its words. */
export interface AnswerSummary {
  /** That the library holds what was asked, where it has looked. */
  readonly confidence?: number;
  readonly threshold?: number;
  readonly mode?: LibraryAnswer['mode'];
  readonly snapshots: readonly string[];
  readonly published?: LibraryAnswer['published'];
  readonly passages: readonly {
    readonly collection: string;
    readonly uri: string;
    readonly heading: string;
    readonly score: number;
    readonly similarity?: number;
  }[];
}

/** Of an answer that was not made now. */
export interface Recalled {
  readonly cache: 'exact' | 'precomputed' | 'semantic';
  /** Who has answered then. */
  readonly source: string;
  readonly ageMs: number;
  /** The question that it answered, and the cosine of both, where it is another. */
  readonly question?: string;
  readonly similarity?: number;
}

export interface LibraryReply {
  readonly request: ChatRequest;
  readonly id: string;
  readonly nowMs: number;
  readonly said: CheckedSaid;
  readonly summary: AnswerSummary;
  readonly recalled?: Recalled | undefined;
  readonly decision: TextDecision;
  /** By this id a better answer will come, on the answers stream. */
  readonly pending?: string | undefined;
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

export const summaryOf = ({
  found,
  confidence,
  threshold,
  mode,
  snapshots,
  published,
}: LibraryAnswer): AnswerSummary => ({
  confidence,
  threshold,
  mode,
  snapshots,
  published,
  passages: found.map(({ passage: { collection, uri, heading }, score, similarity }) => ({
    collection,
    uri,
    heading,
    score,
    ...(similarity === undefined ? {} : { similarity }),
  })),
});

function completionOf({
  request,
  id,
  nowMs,
  said,
  summary,
  recalled,
  pending,
  inContext,
}: LibraryReply) {
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
      ...(recalled === undefined ? {} : { recalled }),
      ...summary,
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
