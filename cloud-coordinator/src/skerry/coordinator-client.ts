// An API as this process calls it, a coordinator's or an agent's: JSON in and out, every wait with an end, and each failure
// with what to do about it.

import {
  type Clock,
  describeIssues,
  err,
  type Failure,
  type FailureCode,
  failure,
  failureCatalogue,
  messageOf,
  ok,
  parseJson,
  type Result,
} from '@skerry/shared';
import { type Fetch, isLoopback } from '@skerry/shared/node';
import type { z } from 'zod';

export interface CoordinatorAddress {
  readonly url: string;
  readonly token?: string | undefined;
  /** What to do where nobody answers. */
  readonly hint?: string;
}

export interface CoordinatorPorts {
  /** Believes the fleet's authority. */
  readonly fetch: Fetch;
  readonly clock: Clock;
}

type Method = 'GET' | 'HEAD' | 'POST' | 'PUT';
interface Ask {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  readonly signal?: AbortSignal;
  /** The response is a stream that ends when somebody has had enough. */
  readonly endless?: boolean;
  /** How long it may take to answer. */
  readonly withinMs?: number;
}

export interface CoordinatorClient {
  readonly url: string;
  get<S extends z.ZodType>(path: string, schema: S): Promise<Result<z.output<S>>>;
  send<S extends z.ZodType>(
    method: 'POST' | 'PUT',
    path: string,
    body: unknown,
    schema: S,
    withinMs?: number,
  ): Promise<Result<z.output<S>>>;
  /** Whatever it answers; fails only where there is no answer. */
  ask(method: Method, path: string, ask?: Ask): Promise<Result<Response>>;
}

const answerWithinMs = 30_000;
const coordinatorHint =
  'Is the coordinator running there? --coordinator or SKERRY_COORDINATOR says where.';

export function createCoordinatorClient(
  { url, token, hint = coordinatorHint }: CoordinatorAddress,
  { fetch, clock }: CoordinatorPorts,
): CoordinatorClient {
  const { hostname, protocol } = new URL(url);
  const base = url.replace(/\/$/, '');
  const readable = protocol === 'http:' && !isLoopback(hostname);

  const ask: CoordinatorClient['ask'] = async (method, path, more = {}) => {
    if (readable && token !== undefined)
      return err(
        failure(
          'invalid_argument',
          `${url} is in the clear, where anybody could read the token; use https://`,
        ),
      );
    const { headers = {}, body, signal, endless = false, withinMs = answerWithinMs } = more;
    const late = new AbortController();
    const timer = clock.after(withinMs, () => late.abort(new Error('no answer in time')));
    try {
      const response = await fetch(`${base}${path}`, {
        method,
        headers: {
          ...headers,
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        },
        signal: AbortSignal.any([late.signal, ...(signal === undefined ? [] : [signal])]),
        redirect: 'error',
        ...(body === undefined ? {} : { body: body as string }),
      });
      // Read within the time, too, where it ends.
      if (endless && response.ok) return ok(response);
      const bytes = method === 'HEAD' ? null : await response.arrayBuffer();
      const { status } = response;
      const empty = bytes === null || bytes.byteLength === 0;
      return ok(new Response(empty ? null : bytes, { status, headers: response.headers }));
    } catch (thrown) {
      return err(unreachable(url, thrown, hint));
    } finally {
      timer.cancel();
    }
  };

  return {
    url: base,
    ask,
    async get(path, schema) {
      const response = await ask('GET', path);
      return response.ok ? readAnswer(base, response.value, schema) : response;
    },
    async send(method, path, body, schema, withinMs) {
      const response = await ask(method, path, {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        ...(withinMs === undefined ? {} : { withinMs }),
      });
      return response.ok ? readAnswer(base, response.value, schema) : response;
    },
  };
}

/** Fails with what it says where it is no success, and with `unsupported_version` where it is not what was asked for. */
export async function readAnswer<S extends z.ZodType>(
  url: string,
  response: Response,
  schema: S,
): Promise<Result<z.output<S>>> {
  if (!response.ok) return err(await failureOf(response));
  const json = parseJson(new Uint8Array(await response.arrayBuffer()), 'the answer');
  const parsed = schema.safeParse(json.ok ? json.value : undefined);
  return parsed.success
    ? ok(parsed.data)
    : err(
        failure(
          'unsupported_version',
          `${url} gives another answer than this skerry knows: ${describeIssues(parsed.error)}`,
        ),
      );
}

/** JSON that is taken, or answered (409) with what it lacks; `stranger` is said of whoever answers anything else. */
export async function offer<S extends z.ZodType>(
  client: CoordinatorClient,
  path: string,
  body: Uint8Array | string,
  schema: S,
  { stranger, ...more }: Pick<Ask, 'withinMs'> & { readonly stranger: string },
): Promise<Result<z.output<S>>> {
  const headers = { 'content-type': 'application/json' };
  const response = await client.ask('POST', path, { headers, body, ...more });
  if (!response.ok) return response;
  if (!response.value.ok && response.value.status !== 409)
    return err(await failureOf(response.value));
  const parsed = schema.safeParse(await response.value.json().catch(() => undefined));
  return parsed.success ? ok(parsed.data) : err(failure('unsupported_version', stranger));
}

/** What a response that is no success says, and what to do where that is known. */
export async function failureOf(response: Response): Promise<Failure> {
  const text = await response.text().catch(() => '');
  const { code, error } = shapeOf(text);
  const known = Object.hasOwn(failureCatalogue, code) ? (code as FailureCode) : byStatus(response);
  const message = error === '' ? `it answered ${response.status}` : error;
  const hint = hints[known];
  return failure(known, hint === undefined ? message : `${message}\n${hint}`);
}

const hints: Partial<Record<FailureCode, string>> = {
  unauthenticated: 'Set SKERRY_OPERATOR_TOKEN to the token that the coordinator was started with.',
  overloaded: 'Try again in a moment.',
};

function byStatus({ status }: Response): FailureCode {
  if (status === 401) return 'unauthenticated';
  if (status === 404) return 'not_found';
  return status >= 500 ? 'unavailable' : 'invalid_argument';
}

function shapeOf(text: string): { readonly code: string; readonly error: string } {
  const json = parseJson(new TextEncoder().encode(text), 'the answer');
  const whole = ((json.ok ? json.value : undefined) ?? {}) as Record<string, unknown>;
  // OpenAI's API has both in an object.
  const inner = typeof whole['error'] === 'object' ? (whole['error'] as typeof whole) : undefined;
  const { code, error } = inner ? { code: inner['code'], error: inner['message'] } : whole;
  return { code: String(code), error: typeof error === 'string' ? error : '' };
}

/** fetch says what went wrong in its error's cause. */
function unreachable(url: string, thrown: unknown, otherwise: string): Failure {
  const cause = thrown instanceof Error && thrown.cause !== undefined ? thrown.cause : thrown;
  const { code = '' } = (cause ?? {}) as { code?: unknown };
  const untrusted = /CERT|SELF_SIGNED|LEAF_SIGNATURE/.test(String(code));
  const hint = untrusted
    ? 'Give the fleet’s authority by --ca: authority.crt of the coordinator’s data folder.'
    : otherwise;
  return failure('unavailable', `${url}: ${messageOf(cause) || String(code)}\n${hint}`);
}
