// Upstream over any server with OpenAI's API: vLLM, llama.cpp, Ollama, Triton's frontend. Sends nothing but what the API
// itself has (Triton's frontend refuses strangers), and says the temperature: vLLM takes a model's own otherwise.

import { err, failure, ok, type Result } from '@skerry/shared';
import { z } from 'zod';
import { confidenceOf, tokenProbabilities } from '../infer/upstreams/chat-confidence.ts';
import { createChatStream } from '../infer/upstreams/chat-stream.ts';
import type { ChatAsk, ChatReply, Terms, Upstream } from '../infer/upstreams/upstream.ts';
import { exchangeHttp, inTime, openHttp } from './http-exchange.ts';

const usageSchema = z
  .looseObject({ prompt_tokens: z.number(), completion_tokens: z.number().default(0) })
  .nullish();

const completionSchema = z.looseObject({
  choices: z.tuple(
    [
      z.looseObject({
        message: z.looseObject({ content: z.string().nullish() }),
        finish_reason: z.string().nullish(),
        logprobs: tokenProbabilities.nullish(),
      }),
    ],
    z.unknown(),
  ),
  usage: usageSchema,
});

const embeddingsSchema = z.looseObject({
  data: z.array(
    z.looseObject({ index: z.int(), embedding: z.union([z.array(z.number()), z.base64()]) }),
  ),
});

export function createOpenAiUpstream(name: string, baseUrl: string, apiKey?: string): Upstream {
  const url = (path: string): string => `${baseUrl.replace(/\/$/, '')}/v1${path}`;
  const headers = {
    'content-type': 'application/json',
    ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
  };
  const post = (path: string, body: object, terms: Terms) =>
    exchangeHttp(name, url(path), { method: 'POST', headers, body: JSON.stringify(body) }, terms);
  const strange = (what: string) => err(failure('runtime_failed', `${name}: ${what}`));

  return {
    name,
    async health(terms) {
      const listed = await exchangeHttp(name, url('/models'), { headers }, terms);
      return listed.ok ? ok(undefined) : listed;
    },
    async chat(ask, terms) {
      if (ask.onDelta !== undefined)
        return streamChat(name, url('/chat/completions'), headers, ask, terms);
      const reply = await post('/chat/completions', completionBody(ask), terms);
      if (!reply.ok) return reply;
      const read = completionSchema.safeParse(readJson(reply.value.body));
      if (!read.success) return strange('no chat completion');
      const [{ message, finish_reason, logprobs }] = read.data.choices;
      const { usage } = read.data;
      return ok({
        ...describe(message.content ?? '', finish_reason ?? 'stop', logprobs?.content ?? []),
        ...(usage && {
          tokens: { prompt: usage.prompt_tokens, completion: usage.completion_tokens },
        }),
      });
    },
    async embed({ model, texts }, terms) {
      const body = { model, input: texts, encoding_format: 'float' };
      const reply = await post('/embeddings', body, terms);
      if (!reply.ok) return reply;
      const read = embeddingsSchema.safeParse(readJson(reply.value.body));
      if (!read.success || read.data.data.length !== texts.length)
        return strange(`not ${texts.length} embeddings`);
      const ordered = read.data.data.toSorted((a, b) => a.index - b.index);
      return ok(ordered.map(({ embedding }) => vectorOf(embedding)));
    },
  };
}

const completionBody = ({ model, messages, tokensMax, temperature = 0, onDelta }: ChatAsk) => ({
  model,
  messages,
  temperature,
  // Not max_completion_tokens: what is deprecated is what all of them know.
  ...(tokensMax === undefined ? {} : { max_tokens: tokensMax }),
  logprobs: true,
  ...(onDelta === undefined ? {} : { stream: true }),
});

function describe(
  text: string,
  finishReason: string,
  logprobs: readonly { readonly logprob: number }[],
): ChatReply {
  const confidence = confidenceOf(logprobs);
  return { text, finishReason, ...(confidence === undefined ? {} : { confidence }) };
}

function streamChat(
  name: string,
  url: string,
  headers: Readonly<Record<string, string>>,
  ask: ChatAsk,
  terms: Terms,
): Promise<Result<ChatReply>> {
  return inTime(terms, async (signal) => {
    const body = JSON.stringify(completionBody(ask));
    const response = await openHttp(name, url, { method: 'POST', headers, body }, signal);
    if (!response.ok) return response;
    const stream = createChatStream();
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response.value.body ?? []) {
        const delta = stream.push(decoder.decode(chunk, { stream: true }));
        if (!delta.ok) return delta;
        if (delta.value !== '') ask.onDelta?.(delta.value);
      }
    } catch {
      return err(failure('unavailable', `${name} broke off its stream`));
    }
    const whole = stream.end();
    if (!whole.ok) return whole;
    return ok(describe(whole.value.text, whole.value.finishReason, whole.value.logprobs));
  });
}

/** Some give base64 whatever they are asked for: float32, little-endian. */
function vectorOf(embedding: readonly number[] | string): Float32Array {
  if (typeof embedding !== 'string') return Float32Array.from(embedding);
  const bytes = new Uint8Array(Buffer.from(embedding, 'base64'));
  return new Float32Array(bytes.buffer, 0, Math.floor(bytes.byteLength / 4));
}

function readJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}
