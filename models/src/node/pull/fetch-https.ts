// A file over HTTPS, from where a try before stopped (RFC 9110 §14). The digest at the end decides, so a server that has
// another file by now costs a download, not a mistake.

import { createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { type Clock, err, failure, messageOf, ok, type Result } from '@skerry/shared';
import type { Fetcher, OnProgress } from './pull.ts';

export interface HttpsPorts {
  readonly fetch: typeof fetch;
  readonly clock: Clock;
}

/** Without a byte for so long, a transfer ends; what has come stays for the next. */
const stallMs = 30_000;
const pullBytesMax = 8 * 1024 ** 3;

export function createHttpsFetcher({ fetch, clock }: HttpsPorts): Fetcher<'https'> {
  return async ({ url }, part, onProgress) => {
    const had = await sizeOf(part);
    const abort = new AbortController();
    let timer = clock.after(stallMs, () => abort.abort(new Error('no byte came any more')));
    const alive = (): void => {
      timer.cancel();
      timer = clock.after(stallMs, () => abort.abort(new Error('no byte came any more')));
    };
    try {
      const headers = had > 0 ? { range: `bytes=${had}-` } : {};
      const response = await fetch(url, { headers, signal: abort.signal });
      // All of it was there: 416. Its digest is what is looked at next.
      if (response.status === 416 && had > 0) return ok(undefined);
      const start = startOf(response, had);
      if (!start.ok || response.body === null)
        return start.ok ? err(failure('unavailable', `${url}: no body`)) : start;
      const length = response.headers.get('content-length');
      const total = length === null ? undefined : start.value + Number(length);
      const body = Readable.fromWeb(response.body as ReadableStream);
      const counted = countBytes(body, start.value, total, alive, onProgress);
      await pipeline(counted, createWriteStream(part, { flags: start.value > 0 ? 'a' : 'w' }));
      return ok(undefined);
    } catch (thrown) {
      return err(
        failure('unavailable', `${url}: ${causeOf(thrown)}; a next try goes on from there`),
      );
    } finally {
      timer.cancel();
    }
  };
}

/** The place of the body's first byte: what was asked for, or 0 from a server that knows no ranges. */
function startOf(response: Response, had: number): Result<number> {
  const refuse = (why: string) => err(failure('unavailable', `${response.url}: ${why}`));
  if (!response.url.startsWith('https:')) return refuse('led away from HTTPS');
  if (response.status === 200) return ok(0);
  const range = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '');
  if (response.status === 206 && Number(range?.[1]) === had) return ok(had);
  return refuse(`HTTP ${response.status}`);
}

async function* countBytes(
  body: AsyncIterable<Uint8Array>,
  start: number,
  total: number | undefined,
  alive: () => void,
  onProgress: OnProgress,
): AsyncGenerator<Uint8Array> {
  let bytes = start;
  for await (const chunk of body) {
    alive();
    bytes += chunk.byteLength;
    if (bytes > pullBytesMax) throw new Error(`more than ${pullBytesMax} bytes`);
    onProgress(bytes, total);
    yield chunk;
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch {
    // Nothing has come yet.
    return 0;
  }
}

/** fetch says what went wrong in its error's cause. */
function causeOf(thrown: unknown): string {
  const cause = thrown instanceof Error ? thrown.cause : undefined;
  return cause === undefined ? messageOf(thrown) : `${messageOf(thrown)} (${messageOf(cause)})`;
}
