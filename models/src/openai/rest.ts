// OpenAI's API from a Request to a Response: the one piece of code behind the routes of the device and of the coordinator.
// https://platform.openai.com/docs/api-reference · chat completions, embeddings, models
//
// Request headers of ours: `skerry-deadline-ms`, `skerry-policy`. A device's answer says where it came from: headers
// `skerry-source`, `skerry-reason`, `skerry-degraded`, and a field `skerry` (in a stream, of the first chunk).

import {
  type Clock,
  describeIssues,
  err,
  failure,
  ok,
  parseJson,
  type Result,
} from '@skerry/shared';
import type { z } from 'zod';
import { encodeEmbeddings } from './embeddings.ts';
import { createEventStream } from './event-stream.ts';
import {
  chatRequestSchema,
  embeddingsRequestSchema,
  type TextDecision,
  type TextServer,
  type TextTerms,
} from './text-server.ts';

/** @param path behind `/v1` */
export type TextHandler = (request: Request, path: string) => Promise<Result<Response>>;

export interface TextLimits {
  readonly bodyBytesMax: number;
  /** Where a request names no deadline. */
  readonly deadlineMs: number;
  readonly deadlineMsMax: number;
}

/** A model's name may hold slashes. */
export const textPaths = [
  '/chat/completions',
  '/embeddings',
  '/models',
  '/models/:model{.+}',
] as const;
export const deadlineHeader = 'skerry-deadline-ms';
const policyHeader = 'skerry-policy';

export function createTextHandler(
  server: TextServer,
  limits: TextLimits,
  clock: Pick<Clock, 'after'>,
): TextHandler {
  return async (request, path) => {
    const gone = new AbortController();
    const stop = (): void => gone.abort();
    if (request.signal.aborted) stop();
    request.signal.addEventListener('abort', stop, { once: true });
    const terms = termsOf(request.headers, limits, gone.signal);
    if (!terms.ok) return terms;
    const isGet = request.method === 'GET' || request.method === 'HEAD';
    if (isGet && path === '/models') return listModels(server, terms.value);
    if (isGet && path.startsWith('/models/'))
      return findModel(server, path.slice('/models/'.length), terms.value);
    if (request.method === 'POST' && path === '/chat/completions') {
      const asked = await readRequest(request, chatRequestSchema, limits.bodyBytesMax);
      return asked.ok ? chat(server, asked.value, terms.value, { clock, stop }) : asked;
    }
    if (request.method === 'POST' && path === '/embeddings') {
      const asked = await readRequest(request, embeddingsRequestSchema, limits.bodyBytesMax);
      return asked.ok ? embed(server, asked.value, terms.value) : asked;
    }
    return err(failure('not_found', `no ${request.method} at this path`));
  };
}

function termsOf(
  headers: Headers,
  { deadlineMs, deadlineMsMax }: TextLimits,
  signal: AbortSignal,
): Result<TextTerms> {
  const said = headers.get(deadlineHeader) ?? String(deadlineMs);
  if (!/^[1-9]\d{0,9}$/.test(said))
    return err(failure('invalid_argument', `${deadlineHeader}: expected milliseconds`));
  const policy = headers.get(policyHeader);
  const leftMs = Math.min(Number(said), deadlineMsMax);
  return ok({ leftMs, signal, ...(policy === null ? {} : { policy }) });
}

async function readRequest<S extends z.ZodType>(
  request: Request,
  schema: S,
  bodyBytesMax: number,
): Promise<Result<z.output<S>>> {
  const body = await readBody(request, bodyBytesMax);
  if (!body.ok) return body;
  const json = parseJson(body.value, 'the request');
  if (!json.ok) return json;
  const read = schema.safeParse(json.value);
  // As it came: the schema's order of fields is not the client's.
  return read.success
    ? ok(json.value as z.output<S>)
    : err(failure('invalid_argument', describeIssues(read.error)));
}

/** Declared or not, no more is kept than the bound. */
async function readBody(request: Request, bytesMax: number): Promise<Result<Uint8Array>> {
  const tooLarge = err(failure('too_large', `the body exceeds ${bytesMax} bytes`));
  if (Number(request.headers.get('content-length') ?? 0) > bytesMax) return tooLarge;
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) return tooLarge;
    chunks.push(chunk);
  }
  const whole = new Uint8Array(bytes);
  let place = 0;
  for (const chunk of chunks) {
    whole.set(chunk, place);
    place += chunk.byteLength;
  }
  return ok(whole);
}

async function chat(
  server: TextServer,
  asked: z.output<typeof chatRequestSchema>,
  terms: TextTerms,
  { clock, stop }: { readonly clock: Pick<Clock, 'after'>; readonly stop: () => void },
): Promise<Result<Response>> {
  const reply = await server.chat(asked, terms);
  if (!reply.ok) return reply;
  const { decision } = reply.value;
  if ('completion' in reply.value) return respond(reply.value.completion, decision);
  const headers = {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
    // A proxy that gathers what it passes on would hold a stream back.
    'x-accel-buffering': 'no',
    ...headersOf(decision),
  };
  return ok(
    new Response(createEventStream(reply.value.chunks, decision, clock, stop), { headers }),
  );
}

async function embed(
  server: TextServer,
  asked: z.output<typeof embeddingsRequestSchema>,
  terms: TextTerms,
): Promise<Result<Response>> {
  if (server.embed === undefined) return err(failure('model_not_found', 'nobody here embeds'));
  const reply = await server.embed(asked, terms);
  if (!reply.ok) return reply;
  const encoded = encodeEmbeddings(reply.value.embeddings, asked);
  return encoded.ok ? respond(encoded.value, reply.value.decision) : encoded;
}

function respond(body: object, decision: TextDecision | undefined): Result<Response> {
  const whole = decision === undefined ? body : { ...body, skerry: decision };
  return ok(Response.json(whole, { headers: headersOf(decision) }));
}

function headersOf(decision: TextDecision | undefined): Record<string, string> {
  if (decision === undefined) return {};
  const { source, reason, degraded } = decision;
  return {
    'skerry-source': source,
    'skerry-reason': reason.replace(/[^\x20-\x7e]/g, '?'),
    'skerry-degraded': String(degraded),
  };
}

async function listModels(server: TextServer, terms: TextTerms): Promise<Result<Response>> {
  const names = await server.list(terms);
  if (!names.ok) return names;
  return respond({ object: 'list', data: names.value.map(describeModel) }, undefined);
}

async function findModel(
  server: TextServer,
  path: string,
  terms: TextTerms,
): Promise<Result<Response>> {
  const names = await server.list(terms);
  if (!names.ok) return names;
  // Clients encode its slashes, or do not.
  const name = names.value.find((each) => each === path || encodeURIComponent(each) === path);
  return name === undefined
    ? err(failure('model_not_found', 'no such model'))
    : respond(describeModel(name), undefined);
}

/** Who made it, and when, is not ours to know. */
const describeModel = (id: string) => ({ id, object: 'model', created: 0, owned_by: 'skerry' });
