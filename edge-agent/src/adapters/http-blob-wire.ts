// Blobs over HTTP to the coordinator, or from the site's relay: each missing run of chunks is one ranged GET, each upload one PUT from where the
// coordinator says it goes on. A middlebox that answers in the coordinator's place gives no ETag that is the digest.

import {
  type Clock,
  err,
  type FailureCode,
  failure,
  failureCatalogue,
  messageOf,
  ok,
  type Result,
  sleep,
} from '@skerry/shared';
import {
  type BlobRef,
  type BlobStore,
  type BlobWire,
  chunkBytes,
  chunkCount,
  etagOf,
  firstMissingRun,
  type Pacer,
  storeStream,
} from '@skerry/sync-protocol/blobs';
import type { Fetch } from './coordinator-fetch.ts';

export interface HttpBlobWirePorts {
  readonly name?: string;
  /** The coordinator's, or the relay's. */
  readonly baseUrl: string;
  /** Before the digest. */
  readonly path?: string;
  /** No byte for so long: the link is a black hole. */
  readonly stallMs?: number;
  /** To the coordinator: where it speaks TLS, as whom our certificate names. */
  readonly fetch: Fetch;
  readonly store: BlobStore;
  readonly pacer: Pacer;
  readonly clock: Clock;
}

const stallMsDefault = 30_000;
/** Whatever stands between may ask for any wait. */
const retryAfterMsMax = 60_000;
const coordinatorCodes: ReadonlySet<string> = new Set(Object.keys(failureCatalogue));

type Move = (ref: BlobRef, onMoved: (bytes: number) => void, line: Line) => Promise<Result<void>>;

interface Line {
  readonly signal: AbortSignal;
  /** Something has moved: not stalled. */
  alive(): void;
}

export function createHttpBlobWire(ports: HttpBlobWirePorts): BlobWire {
  const { baseUrl, fetch, store, pacer, clock } = ports;
  const { name = 'http', path = '/v1/blobs', stallMs = stallMsDefault } = ports;
  const urlOf = ({ digest }: BlobRef): string => `${baseUrl.replace(/\/$/, '')}${path}/${digest}`;

  const fetchMissing: Move = async (ref, onMoved, line) => {
    for (;;) {
      const held = await store.holding(ref.digest);
      if (!held.ok) return held;
      if (held.value.kind === 'whole') return ok(undefined);
      const run =
        held.value.kind === 'none'
          ? { first: 0, count: chunkCount(ref.bytes) }
          : firstMissingRun(held.value.missing);
      if (run === undefined) return store.finish(ref.digest);
      const got = await fetchRun(ref, run, onMoved, line);
      if (!got.ok) return got;
    }
  };

  const fetchRun = async (
    ref: BlobRef,
    run: { readonly first: number; readonly count: number },
    onMoved: (bytes: number) => void,
    line: Line,
  ): Promise<Result<void>> => {
    const [first, end] = [
      run.first * chunkBytes,
      Math.min(ref.bytes, (run.first + run.count) * chunkBytes),
    ];
    const etag = etagOf(ref.digest);
    const response = await fetch(urlOf(ref), {
      headers: { range: `bytes=${first}-${end - 1}`, 'if-range': etag },
      signal: line.signal,
    });
    const expected = `bytes ${first}-${end - 1}/${ref.bytes}`;
    if (response.status !== 206) return err(await failureOf(response));
    if (response.headers.get('etag') !== etag || response.headers.get('content-range') !== expected)
      return err(failure('unavailable', 'an answer that is not the coordinator’s'));
    const { body } = response;
    if (body === null) return err(failure('unavailable', 'a body was expected'));
    return storeStream(
      store,
      ref,
      run,
      body as unknown as AsyncIterable<Uint8Array>,
      async (bytes) => {
        line.alive();
        onMoved(bytes);
        await pacer.take(bytes, line.signal);
      },
    );
  };

  const sendRest: Move = async (ref, onMoved, line) => {
    const head = await fetch(urlOf(ref), { method: 'HEAD', signal: line.signal });
    if (head.headers.get('upload-complete') === '?1') return ok(undefined);
    const offset = Number(head.headers.get('upload-offset') ?? Number.NaN);
    if (!Number.isInteger(offset) || offset < 0 || offset > ref.bytes)
      return err(failure('unavailable', 'an answer that is not the coordinator’s'));
    // All its chunks there and not confirmed: the last one again, and it will look.
    const from = Math.min(offset, (chunkCount(ref.bytes) - 1) * chunkBytes);
    const response = await fetch(urlOf(ref), {
      method: 'PUT',
      headers: {
        'content-range': `bytes ${from}-${ref.bytes - 1}/${ref.bytes}`,
        'content-type': 'application/octet-stream',
      },
      body: streamFrom(ref, from, onMoved, line),
      duplex: 'half',
      signal: line.signal,
    } as RequestInit);
    if (response.status === 201) return ok(undefined);
    return err(await failureOf(response));
  };

  const streamFrom = (
    ref: BlobRef,
    from: number,
    onMoved: (bytes: number) => void,
    line: Line,
  ): ReadableStream<Uint8Array> => {
    let at = from;
    return new ReadableStream({
      async pull(controller) {
        const length = Math.min(chunkBytes, ref.bytes - at);
        await pacer.take(length, line.signal);
        // fetch goes on pulling after its connection has gone.
        if (line.signal.aborted) return controller.error(new Error('the upload has ended'));
        const part = await store.read(ref.digest, at, length);
        if (!part.ok) return controller.error(new Error(part.error.message));
        controller.enqueue(part.value);
        at += length;
        line.alive();
        onMoved(length);
        if (at === ref.bytes) controller.close();
      },
    });
  };

  const guarded =
    (move: Move): BlobWire['fetch'] =>
    async (ref, onMoved, signal) => {
      const stall = watchStall(clock, stallMs, signal);
      try {
        return await move(ref, onMoved, stall);
      } catch (thrown) {
        return err(failure('unavailable', `HTTP: ${messageOf(thrown)}`));
      } finally {
        stall.end();
      }
    };
  return { name, fetch: guarded(fetchMissing), send: guarded(sendRest) };
}

/** A signal that aborts with `signal`, at `end`, or when nothing has been alive for `stallMs`. */
function watchStall(clock: Clock, stallMs: number, signal: AbortSignal): Line & { end(): void } {
  const over = new AbortController();
  let watch = new AbortController();
  const arm = (): void => {
    const mine = new AbortController();
    watch = mine;
    void sleep(clock, stallMs, mine.signal).then(() => {
      if (!mine.signal.aborted) over.abort(new Error(`nothing moved for ${stallMs} ms`));
    });
  };
  arm();
  return {
    signal: AbortSignal.any([over.signal, signal]),
    alive() {
      watch.abort();
      arm();
    },
    end() {
      watch.abort();
      over.abort(new Error('it has ended'));
    },
  };
}

/** What whoever was asked said; `unavailable` for what it would not have said. */
async function failureOf(response: Response) {
  const body = await response.json().catch(() => undefined);
  const { code, error } = (body ?? {}) as { code?: unknown; error?: unknown };
  const known = typeof code === 'string' && coordinatorCodes.has(code);
  // RFC 9110 §10.2.3, as seconds.
  const retryAfterSeconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  return failure(
    known ? (code as FailureCode) : 'unavailable',
    `HTTP ${response.status}: ${String(error).slice(0, 200)}`,
    retryAfterSeconds > 0
      ? { retryAfterMs: Math.min(retryAfterSeconds * 1_000, retryAfterMsMax) }
      : {},
  );
}
