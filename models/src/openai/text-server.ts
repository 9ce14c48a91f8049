// The port to whoever answers in OpenAI's API: a server such as vLLM, llama.cpp or Ollama, a file of answers, the upstreams
// of a coordinator, a device with its cloud. What the API has travels as it came: only what is needed to choose, to bound
// and to tell errors is read. Fails with `model_not_found` or an argument's code for what it will never answer, and
// retryably for what it cannot answer now.

import type { Result } from '@skerry/shared';
import { z } from 'zod';

export type JsonObject = Readonly<Record<string, unknown>>;

export interface TextTerms {
  /** Until the answer must be there; of a stream, its first chunk. */
  readonly leftMs: number;
  /** A policy that the request names; a device's, which knows them. */
  readonly policy?: string;
  /** Nobody waits any more; ends a stream, too. */
  readonly signal?: AbortSignal;
}

/** Where an answer came from, and why; of a device. */
export interface TextDecision {
  readonly source: string;
  readonly reason: string;
  readonly degraded: boolean;
  /** That the weak model's answer will do, where a text router has said so. */
  readonly confidence?: number;
}

interface Decided {
  readonly decision?: TextDecision;
}

/** Chunks as they come, the first of which is there; an error is the last. Whoever does not read on aborts its signal. */
export type ChunkStream = AsyncIterable<Result<JsonObject>>;

export type ChatReply = Decided &
  ({ readonly completion: JsonObject } | { readonly chunks: ChunkStream });

export type EmbeddingsReply = Decided & { readonly embeddings: JsonObject };

export interface TextServer {
  readonly name: string;
  /** Its names of its models; who answers is well. */
  list(terms: TextTerms): Promise<Result<readonly string[]>>;
  /** A stream where the request asks for one. */
  chat(request: ChatRequest, terms: TextTerms): Promise<Result<ChatReply>>;
  embed?(request: EmbeddingsRequest, terms: TextTerms): Promise<Result<EmbeddingsReply>>;
}

const modelSchema = z.string().min(1).max(256);

const partSchema = z.looseObject({ type: z.string(), text: z.string().optional() });

export const chatRequestSchema = z.looseObject({
  model: modelSchema,
  messages: z
    .array(
      z.looseObject({
        role: z.string(),
        content: z.union([z.string(), z.array(partSchema)]).nullish(),
      }),
    )
    .min(1),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
});

/** As OpenAI bounds them. */
export const embeddingInputsMax = 2_048;
const tokensSchema = z.array(z.int().nonnegative()).min(1);

export const embeddingsRequestSchema = z.looseObject({
  model: modelSchema,
  input: z.union([
    z.string().min(1),
    z.array(z.string().min(1)).min(1).max(embeddingInputsMax),
    tokensSchema,
    z.array(tokensSchema).min(1).max(embeddingInputsMax),
  ]),
  encoding_format: z.enum(['float', 'base64']).nullish(),
});

export type ChatRequest = z.output<typeof chatRequestSchema>;
export type EmbeddingsRequest = z.output<typeof embeddingsRequestSchema>;

/** What a completion says; undefined where it says nothing in words. */
export function contentOf(completion: JsonObject): string | undefined {
  const content = messageOf(completion)['content'];
  return typeof content === 'string' && content.trim() !== '' ? content : undefined;
}

/** What it says that it has said it from: no part of OpenAI's API, but of a library's answers. */
export const citationsOf = (completion: JsonObject): unknown => messageOf(completion)['citations'];

function messageOf({ choices }: JsonObject): JsonObject {
  const [first] = (Array.isArray(choices) ? choices : []) as { message?: JsonObject }[];
  return first?.message ?? {};
}

/** The text of the last question: what is not text in it says nothing here. */
export function questionOf({ messages }: ChatRequest): string {
  const content = messages.findLast(({ role }) => role === 'user')?.content ?? '';
  if (typeof content === 'string') return content;
  return content.flatMap(({ text }) => text ?? []).join('\n');
}
