// A relay's blobs of updates, for its neighbours: GET and HEAD as any server of blobs has them, so many reads at once, so
// many bytes a second. What is on its way here is worth a short wait, so that it crosses the site's uplink once. [PEE1–PEE4]

import { type Clock, type Failure, failure, httpStatusOf, type Timer } from '@skerry/shared';
import { type BlobStore, createPacer, createServeBlob } from '@skerry/sync-protocol/blobs';
import type { KeptCopies } from './keep-copies.ts';

export interface ServeCopiesConfig {
  readonly readsMax: number;
  /** Of all reads together; 0: no cap. */
  readonly bytesPerSecondMax: number;
}

export interface ServeCopiesPorts extends Pick<KeptCopies, 'isShown' | 'isComing'> {
  readonly store: BlobStore;
  readonly clock: Clock;
}

export type ServeCopy = (request: Request, digest: string) => Promise<Response>;

const retryAfterMs = 2_000;
/** A reader that takes nothing for so long has gone. */
const idleReadMs = 30_000;

export function createServeCopies(
  { store, isShown, isComing, clock }: ServeCopiesPorts,
  { readsMax, bytesPerSecondMax }: ServeCopiesConfig,
): ServeCopy {
  const pacer = createPacer(bytesPerSecondMax, clock);
  const serveBlob = createServeBlob(store, { bytesMax: 0, uploadsMax: 0 });
  let reads = 0;

  return async (request, digest) => {
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return new Response(null, { status: 405, headers: { Allow: 'GET, HEAD' } });
    const held = isShown(digest) ? await store.holding(digest) : undefined;
    if (held?.ok === false) return refuse(held.error);
    if (held?.value.kind !== 'whole')
      return refuse(
        isComing(digest)
          ? failure('unavailable', 'it is on its way here', { retryAfterMs })
          : failure('not_found', 'no blob of an update'),
      );
    if (request.method === 'HEAD') return serveBlob(request, digest);
    if (reads >= readsMax)
      return refuse(failure('overloaded', `${reads} reads are under way`, { retryAfterMs }));
    reads += 1;
    const over = new AbortController();
    const end = (): void => {
      if (over.signal.aborted) return;
      over.abort();
      reads -= 1;
    };
    const response = await serveBlob(request, digest, {
      ...store,
      async read(digest, offset, length) {
        await pacer.take(length, over.signal);
        return store.read(digest, offset, length);
      },
    });
    if (response.body === null) end();
    return response.body === null
      ? response
      : new Response(watched(response.body, clock, end), response);
  };
}

/** `onEnd`: it has been read, or broke off, or whoever read it has gone. */
function watched(
  body: ReadableStream<Uint8Array>,
  clock: Clock,
  onEnd: () => void,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let idle: Timer | undefined;
  const end = (): void => {
    idle?.cancel();
    onEnd();
  };
  return new ReadableStream({
    async pull(controller) {
      idle?.cancel();
      try {
        const { done, value } = await reader.read();
        if (done) {
          end();
          controller.close();
          return;
        }
        controller.enqueue(value);
      } catch (thrown) {
        end();
        controller.error(thrown);
        return;
      }
      idle = clock.after(idleReadMs, () => {
        end();
        controller.error(new Error(`nothing was read for ${idleReadMs} ms`));
        void reader.cancel().catch(() => {});
      });
    },
    cancel(reason) {
      end();
      return reader.cancel(reason);
    },
  });
}

function refuse(failed: Failure): Response {
  const { code, message, retryAfterMs: waitMs } = failed;
  const headers: Record<string, string> =
    waitMs === undefined ? {} : { 'Retry-After': String(Math.ceil(waitMs / 1_000)) };
  return Response.json({ error: message, code }, { status: httpStatusOf(failed), headers });
}
