// One HTTP request to another server: its whole response within bounds, or a Failure that says what went wrong there.

import { err, failure, messageOf, ok, type Result } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import { withDeadline } from '@skerry/shared/resilience';
import type { Terms } from '../infer/upstreams/upstream.ts';
import { upstreamFailure } from '../infer/upstreams/upstream-error.ts';

export interface HttpAsk {
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

export interface HttpAnswer {
  readonly headers: Headers;
  readonly body: Uint8Array;
}

const responseBytesMax = 67_108_864;

/** A status that is not 2xx is a Failure, as are a server that cannot be reached and one that breaks off. */
export function exchangeHttp(
  upstream: string,
  url: string,
  ask: HttpAsk,
  terms: Terms,
): Promise<Result<HttpAnswer>> {
  return inTime(terms, async (signal) => {
    const response = await openHttp(upstream, url, ask, signal);
    if (!response.ok) return response;
    const body = await readBounded(upstream, response.value);
    return body.ok ? ok({ headers: response.value.headers, body: body.value }) : body;
  });
}

export const inTime = <T>(
  { leftMs, signal }: Terms,
  work: (signal: AbortSignal) => Promise<Result<T>>,
): Promise<Result<T>> => withDeadline(systemClock, leftMs, work, signal);

/** The response once its head is there; the body is the caller's to read. */
export async function openHttp(
  upstream: string,
  url: string,
  { method = 'GET', headers = {}, body }: HttpAsk,
  signal: AbortSignal,
): Promise<Result<Response>> {
  try {
    const sent = body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> | string };
    const response = await fetch(url, { method, headers, signal, redirect: 'error', ...sent });
    if (response.ok) return ok(response);
    const text = await readBounded(upstream, response);
    const retryAfter = response.headers.get('retry-after');
    return err(
      upstreamFailure(
        upstream,
        response.status,
        text.ok ? text.value : new Uint8Array(),
        retryAfter,
      ),
    );
  } catch (thrown) {
    return err(failure('unavailable', `${upstream}: ${reasonOf(thrown)}`));
  }
}

async function readBounded(upstream: string, response: Response): Promise<Result<Uint8Array>> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response.body ?? []) {
      bytes += chunk.byteLength;
      if (bytes > responseBytesMax)
        return err(failure('runtime_failed', `${upstream}: more than ${responseBytesMax} bytes`));
      chunks.push(chunk);
    }
    return ok(Buffer.concat(chunks));
  } catch (thrown) {
    return err(failure('unavailable', `${upstream} broke off: ${reasonOf(thrown)}`));
  }
}

/** What fetch throws says 'fetch failed'; why is its cause. */
function reasonOf(thrown: unknown): string {
  return thrown instanceof Error && thrown.cause !== undefined
    ? messageOf(thrown.cause)
    : messageOf(thrown);
}
