// TextServer over any server with OpenAI's API: vLLM, llama.cpp, Ollama, Triton's frontend, a coordinator. Sends nothing
// but what it was given (Triton's frontend refuses strangers), and the time that is left in a header.

import {
  type Clock,
  err,
  type FailureCode,
  failure,
  ok,
  parseJson,
  type Result,
} from '@skerry/shared';
import { errorTextOf, exchangeHttp, type Fetch, openHttp, systemClock } from '@skerry/shared/node';
import { withDeadline } from '@skerry/shared/resilience';
import { z } from 'zod';
import { createEventReader } from '../openai/event-reader.ts';
import { deadlineHeader } from '../openai/rest.ts';
import type {
  ChatReply,
  ChunkStream,
  JsonObject,
  TextServer,
  TextTerms,
} from '../openai/text-server.ts';

export interface OpenAiServerOptions {
  readonly apiKey?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly fetch?: Fetch;
  readonly clock?: Clock;
}

/** Of a stream: between two chunks, and from the first to the last. */
export const chunkTimeoutMs = 60_000;
export const streamTimeoutMs = 600_000;
const modelsMax = 10_000;

const objectSchema = z.looseObject({});
const completionSchema = z.looseObject({ choices: z.array(z.unknown()) });
const modelsSchema = z.looseObject({ data: z.array(z.looseObject({ id: z.string() })).nullable() });

export function createOpenAiServer(
  name: string,
  baseUrl: string,
  { apiKey, headers: more = {}, fetch, clock = systemClock }: OpenAiServerOptions = {},
): TextServer & Required<Pick<TextServer, 'embed'>> {
  const base = baseUrl.replace(/\/$/, '').replace(/\/v1$/, '');
  const ask = (leftMs: number, body?: JsonObject) => ({
    headers: {
      'content-type': 'application/json',
      ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
      [deadlineHeader]: String(Math.max(1, Math.floor(leftMs))),
      ...more,
    },
    ...(fetch === undefined ? {} : { fetch }),
    ...(body === undefined ? {} : { method: 'POST' as const, body: JSON.stringify(body) }),
  });
  /** As it came: the schema's order of fields is not the server's. */
  const exchange = async <S extends z.ZodType>(
    path: string,
    schema: S,
    terms: TextTerms,
    body?: JsonObject,
  ): Promise<Result<z.output<S>>> => {
    const reply = await exchangeHttp(name, `${base}/v1${path}`, ask(terms.leftMs, body), terms);
    if (!reply.ok) return reply;
    const json = parseJson(reply.value.body, name, 'runtime_failed');
    return json.ok && schema.safeParse(json.value).success
      ? ok(json.value as z.output<S>)
      : err(failure('runtime_failed', `${name} answered ${path} with what is none`));
  };

  return {
    name,
    async list(terms) {
      const listed = await exchange('/models', modelsSchema, terms);
      return listed.ok
        ? ok((listed.value.data ?? []).slice(0, modelsMax).map(({ id }) => id))
        : listed;
    },
    async chat(request, terms) {
      const path = '/chat/completions';
      if (request.stream === true)
        return openStream(name, clock, terms, (signal) =>
          openHttp(name, `${base}/v1${path}`, ask(terms.leftMs, request), signal),
        );
      const completion = await exchange(path, completionSchema, terms, request);
      return completion.ok ? ok({ completion: completion.value }) : completion;
    },
    async embed(request, terms) {
      const embeddings = await exchange('/embeddings', objectSchema, terms, request);
      return embeddings.ok ? ok({ embeddings: embeddings.value }) : embeddings;
    },
  };
}

/** Resolves with the first chunk: until then somebody else can be asked. */
async function openStream(
  name: string,
  clock: Clock,
  { leftMs, signal }: TextTerms,
  open: (signal: AbortSignal) => Promise<Result<Response>>,
): Promise<Result<ChatReply>> {
  const ending = new AbortController();
  let body: ReadableStreamDefaultReader<Uint8Array> | undefined;
  const end = (): void => {
    ending.abort();
    // Once its head is there, fetch holds its signal weakly: an abort may be lost with what the collector has taken.
    void body?.cancel().catch(() => {});
  };
  if (signal?.aborted) end();
  signal?.addEventListener('abort', end, { once: true });
  const opened = await withDeadline(clock, leftMs, async (within) => {
    within.addEventListener('abort', end, { once: true });
    const response = await open(ending.signal);
    if (!response.ok) return response;
    body = response.value.body?.getReader();
    if (ending.signal.aborted) end();
    const chunks = readChunks(name, body);
    const first = await chunks.next();
    if (first.done) return err(failure('unavailable', `${name}: an empty stream`));
    return first.value.ok ? ok({ first: first.value.value, chunks }) : first.value;
  });
  if (opened.ok) {
    const { first, chunks } = opened.value;
    return ok({ chunks: boundStream(name, clock, first, chunks, end) });
  }
  end();
  return opened;
}

async function* boundStream(
  name: string,
  clock: Clock,
  first: JsonObject,
  chunks: AsyncIterator<Result<JsonObject>, void>,
  end: () => void,
): ChunkStream & AsyncGenerator<Result<JsonObject>> {
  const untilMs = clock.monotonicMs() + streamTimeoutMs;
  try {
    yield ok(first);
    for (;;) {
      const leftMs = Math.min(chunkTimeoutMs, untilMs - clock.monotonicMs());
      const next = await withDeadline(clock, leftMs, async () => ok(await chunks.next()));
      if (!next.ok) yield err(failure('deadline_exceeded', `${name}: its stream takes too long`));
      if (!next.ok || next.value.done) return;
      yield next.value.value;
    }
  } finally {
    end();
  }
}

/** An error is the last. */
async function* readChunks(
  name: string,
  body: ReadableStreamDefaultReader<Uint8Array> | undefined,
): AsyncGenerator<Result<JsonObject>, void> {
  const reader = createEventReader(errorTextOf);
  const decoder = new TextDecoder();
  const named = (code: FailureCode, why: string) => err(failure(code, `${name}: ${why}`));
  try {
    for (let read = await body?.read(); read?.done === false; read = await body?.read()) {
      const { chunks, failure: failed } = reader.push(decoder.decode(read.value, { stream: true }));
      for (const chunk of chunks) yield ok(chunk);
      if (failed !== undefined) {
        yield named(failed.code, failed.message);
        return;
      }
      if (reader.done()) return;
    }
  } catch {
    yield named('unavailable', 'it broke off its stream');
    return;
  }
  const ended = reader.end();
  if (!ended.ok) yield named(ended.error.code, ended.error.message);
}
