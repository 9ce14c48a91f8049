// One HTTP request to another server: its whole response within bounds, or a Failure that says what went wrong there.

import { failure, messageOf } from '../failure.ts';
import { withDeadline } from '../resilience/deadline.ts';
import { err, ok, type Result } from '../result.ts';
import { serverFailure } from './server-failure.ts';
import { systemClock } from './system-clock.ts';

export interface HttpAsk {
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /** Node's own, where the server needs no certificate of ours. */
  readonly fetch?: Fetch;
}

export type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

/** How long the answer is of use, and whether somebody still waits for it. */
interface Terms {
  readonly leftMs: number;
  readonly signal?: AbortSignal;
}

export interface HttpAnswer {
  readonly headers: Headers;
  readonly body: Uint8Array;
}

const responseBytesMax = 67_108_864;

/** A status that is not 2xx is a Failure, as are a server that cannot be reached and one that breaks off. */
export function exchangeHttp(
  server: string,
  url: string,
  ask: HttpAsk,
  { leftMs, signal }: Terms,
): Promise<Result<HttpAnswer>> {
  const exchange = async (within: AbortSignal): Promise<Result<HttpAnswer>> => {
    const response = await openHttp(server, url, ask, within);
    if (!response.ok) return response;
    const body = await readBounded(server, response.value, within);
    return body.ok ? ok({ headers: response.value.headers, body: body.value }) : body;
  };
  return withDeadline(systemClock, leftMs, exchange, signal);
}

/** The response once its head is there; the body is the caller's to read. */
export async function openHttp(
  server: string,
  url: string,
  { method = 'GET', headers = {}, body, fetch: ask = fetch }: HttpAsk,
  signal: AbortSignal,
): Promise<Result<Response>> {
  try {
    const sent = body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> | string };
    const response = await ask(url, { method, headers, signal, redirect: 'error', ...sent });
    if (response.ok) return ok(response);
    const text = await readBounded(server, response, signal);
    const retryAfter = response.headers.get('retry-after');
    return err(
      serverFailure(server, response.status, text.ok ? text.value : new Uint8Array(), retryAfter),
    );
  } catch (thrown) {
    return err(failure('unavailable', `${server}: ${reasonOf(thrown)}`));
  }
}

async function readBounded(
  server: string,
  response: Response,
  signal: AbortSignal,
): Promise<Result<Uint8Array>> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const reader = response.body?.getReader();
  // Once its head is there, fetch holds its signal weakly: an abort may be lost with what the collector has taken.
  const cancel = (): void => void reader?.cancel().catch(() => {});
  signal.addEventListener('abort', cancel, { once: true });
  try {
    for (let read = await reader?.read(); read?.done === false; read = await reader?.read()) {
      bytes += read.value.byteLength;
      if (bytes > responseBytesMax) {
        cancel();
        return err(failure('runtime_failed', `${server}: more than ${responseBytesMax} bytes`));
      }
      chunks.push(read.value);
    }
    return signal.aborted
      ? err(failure('unavailable', `${server}: nobody waits for its answer`))
      : ok(Buffer.concat(chunks));
  } catch (thrown) {
    return err(failure('unavailable', `${server} broke off: ${reasonOf(thrown)}`));
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}

/** What fetch throws says 'fetch failed'; why is its cause. */
function reasonOf(thrown: unknown): string {
  return thrown instanceof Error && thrown.cause !== undefined
    ? messageOf(thrown.cause)
    : messageOf(thrown);
}
