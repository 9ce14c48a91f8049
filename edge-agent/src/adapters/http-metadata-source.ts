// A MetadataSource at an HTTP address. An endless answer is cut off at the bound, a silent one by the clock.

import { type Clock, err, failure, messageOf, ok, type Result } from '@skerry/shared';
import { type MetadataSource, tooLarge } from '../update/trust/metadata-source.ts';
import type { Fetch } from './coordinator-fetch.ts';

const timeoutMs = 30_000;

/** @param baseUrl such as https://cloud.example:8080/v1/tuf/metadata */
export const createHttpMetadataSource = (
  baseUrl: string,
  { fetch, clock }: { readonly fetch: Fetch; readonly clock: Clock },
): MetadataSource => ({
  read: (name, bytesMax) =>
    fetchBounded(`${baseUrl.replace(/\/$/, '')}/${name}`, bytesMax, { fetch, clock }),
});

/** Fails with `not_found` (also for 403, as TUF clients take it), `too_large` or `unavailable`. */
export async function fetchBounded(
  url: string,
  bytesMax: number,
  { fetch, clock }: { readonly fetch: Fetch; readonly clock: Clock },
): Promise<Result<Uint8Array>> {
  const abort = new AbortController();
  const timer = clock.after(timeoutMs, () => abort.abort(new Error('timed out')));
  try {
    const response = await fetch(url, { signal: abort.signal });
    if (response.status === 404 || response.status === 403) {
      await response.body?.cancel();
      return err(failure('not_found', `${url}: ${response.status}`));
    }
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      return err(failure('unavailable', `${url}: ${response.status}`));
    }
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      bytes += chunk.length;
      if (bytes > bytesMax) return err(tooLarge(url, bytesMax)); // Leaving the loop cancels the body.
      chunks.push(chunk);
    }
    return ok(new Uint8Array(Buffer.concat(chunks)));
  } catch (thrown) {
    return err(failure('unavailable', `${url}: ${messageOf(thrown)}`));
  } finally {
    timer.cancel();
  }
}
