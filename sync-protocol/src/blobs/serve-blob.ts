// Blobs over HTTP, for both processes and any server that speaks the Fetch standard.
//
//   GET, HEAD   RFC 9110: ETag is the digest, one Range, If-Range, If-None-Match. A blob never changes under its name.
//   HEAD        of a blob that is partly here: 404, with `Upload-Offset`: where an upload goes on.
//   PUT         the whole blob, or with `Content-Range` a part of it that begins at a chunk. RFC 9110 §14.5 leaves a
//               partial PUT to private agreement; this is ours, with the fields of the IETF's resumable uploads
//               (draft-ietf-httpbis-resumable-upload). docs/decisions/ says why.

import { err, type Failure, failure, httpStatusOf, ok, type Result } from '@skerry/shared';
import { missingChunks } from './bitmap.ts';
import { type BlobRef, blobRefSchema, chunkBytes, chunkCount } from './blob.ts';
import type { Holding } from './blob-store.ts';
import { type ByteSpan, parseContentRange, parseRange } from './byte-range.ts';
import type { DeviceBlobStore } from './device-blobs.ts';
import { storeStream } from './store-stream.ts';

export interface ServeBlobConfig {
  /** Of one blob. */
  readonly bytesMax: number;
  /** PUTs under way at once. */
  readonly uploadsMax: number;
}

/** Answers GET, HEAD and PUT of one blob; of `view` where whoever asks does not see all there is. */
export type ServeBlob = (
  request: Request,
  digest: string,
  view?: DeviceBlobStore,
) => Promise<Response>;

const readBytesMax = 262_144;
const retryAfterMs = 1_000;
const statusOf = { mismatch: 422, rangeNotSatisfiable: 416 } as const;

export function createServeBlob(all: DeviceBlobStore, config: ServeBlobConfig): ServeBlob {
  let uploads = 0;

  const put = async (
    store: DeviceBlobStore,
    request: Request,
    digest: string,
  ): Promise<Response> => {
    const upload = uploadOf(request, digest, config.bytesMax);
    if (!upload.ok) return refuse(upload.error);
    const { ref, span } = upload.value;
    const before = await store.holding(digest);
    if (!before.ok) return refuse(before.error);
    if (before.value.kind !== 'whole') {
      const chunks = { first: span.offset / chunkBytes, count: chunkCount(span.length) };
      const stored = await storeStream(store, ref, chunks, bodyOf(request));
      if (!stored.ok) return refuse(stored.error, await offsetFields(store, digest));
    }
    return confirm(store, digest);
  };

  const confirm = async (store: DeviceBlobStore, digest: string): Promise<Response> => {
    const held = await store.holding(digest);
    if (!held.ok) return refuse(held.error);
    if (held.value.kind === 'partial' && missingChunks(held.value.missing, 1).length > 0)
      return new Response(null, { status: 202, headers: fieldsOf(held.value) });
    const finished = await store.finish(digest);
    if (!finished.ok) return refuse(finished.error);
    const headers = { ...(await offsetFields(store, digest)), ETag: etagOf(digest) };
    return new Response(null, { status: 201, headers });
  };

  return async (request, digest, store = all) => {
    if (!blobRefSchema.shape.digest.safeParse(digest).success)
      return refuse(failure('invalid_argument', 'expected sha256: and 64 hex digits'));
    if (request.method === 'GET' || request.method === 'HEAD') return get(store, request, digest);
    if (request.method !== 'PUT') return new Response(null, { status: 405, headers: allowed });
    if (uploads >= config.uploadsMax)
      return refuse(failure('overloaded', `${uploads} uploads are under way`, { retryAfterMs }));
    uploads += 1;
    try {
      return await put(store, request, digest);
    } finally {
      uploads -= 1;
    }
  };
}

const allowed = { Allow: 'GET, HEAD, PUT' };

async function get(store: DeviceBlobStore, request: Request, digest: string): Promise<Response> {
  const held = await store.holding(digest);
  if (!held.ok) return refuse(held.error);
  if (held.value.kind !== 'whole')
    return refuse(failure('not_found', `no whole blob ${digest}`), fieldsOf(held.value));
  const { bytes } = held.value;
  const etag = etagOf(digest);
  const headers: Record<string, string> = {
    ...fieldsOf(held.value),
    ETag: etag,
    'Accept-Ranges': 'bytes',
    'Cache-Control': 'private, max-age=31536000, immutable',
    'Content-Type': 'application/octet-stream',
  };
  const { headers: asked } = request;
  if (matches(asked.get('if-none-match'), etag))
    return new Response(null, { status: 304, headers });
  // RFC 9110 §13.1.5: If-Range compares strongly; where it fails, the Range is ignored. §14.2: Range is for GET alone.
  const ifRange = asked.get('if-range');
  const ranged = request.method === 'GET' && (ifRange === null || ifRange === etag);
  const span = ranged ? parseRange(asked.get('range') ?? undefined, bytes) : 'whole';
  if (span === 'unsatisfiable')
    return refuse(
      failure('invalid_argument', `the blob has ${bytes} bytes`),
      { 'Content-Range': `bytes */${bytes}` },
      statusOf.rangeNotSatisfiable,
    );
  const { offset, length } = span === 'whole' ? { offset: 0, length: bytes } : span;
  headers['Content-Length'] = String(length);
  if (span !== 'whole')
    headers['Content-Range'] = `bytes ${offset}-${offset + length - 1}/${bytes}`;
  const body = request.method === 'HEAD' ? null : streamOf(store, digest, { offset, length });
  return new Response(body, { status: span === 'whole' ? 200 : 206, headers });
}

interface Upload {
  readonly ref: BlobRef;
  readonly span: ByteSpan;
}

/** What a PUT brings, by its fields. */
function uploadOf({ headers }: Request, digest: string, bytesMax: number): Result<Upload> {
  const contentRange = headers.get('content-range');
  const length = headers.get('content-length');
  const range =
    contentRange === null
      ? { offset: 0, length: Number(length), bytes: Number(length) }
      : parseContentRange(contentRange);
  if (range === undefined || (contentRange === null && length === null))
    return err(
      failure('invalid_argument', 'expected a Content-Length, or bytes first-last/complete'),
    );
  const { offset, length: spanLength, bytes } = range;
  if (bytes > bytesMax) return err(failure('too_large', `${bytes} bytes, at most ${bytesMax}`));
  const ref = blobRefSchema.safeParse({ digest, bytes });
  if (!ref.success) return err(failure('invalid_argument', `no blob has ${bytes} bytes`));
  const end = offset + spanLength;
  if (offset % chunkBytes !== 0 || (end !== bytes && end % chunkBytes !== 0))
    return err(failure('invalid_argument', `a part begins and ends at multiples of ${chunkBytes}`));
  return ok({ ref: ref.data, span: { offset, length: spanLength } });
}

/** Where an upload goes on, in the words of draft-ietf-httpbis-resumable-upload (structured fields, RFC 9651). */
function fieldsOf(held: Holding): Record<string, string> {
  const offset =
    held.kind === 'none'
      ? 0
      : held.kind === 'whole'
        ? held.bytes
        : (missingChunks(held.missing, 1)[0] ?? chunkCount(held.bytes)) * chunkBytes;
  return {
    'Upload-Offset': String(held.kind === 'none' ? 0 : Math.min(offset, held.bytes)),
    'Upload-Complete': held.kind === 'whole' ? '?1' : '?0',
  };
}

async function offsetFields(
  store: DeviceBlobStore,
  digest: string,
): Promise<Record<string, string>> {
  const held = await store.holding(digest);
  return held.ok ? fieldsOf(held.value) : {};
}

export const etagOf = (digest: string): string => `"${digest}"`;

/** RFC 9110 §13.1.2: weak comparison, a list or `*`. */
const matches = (header: string | null, etag: string): boolean =>
  (header ?? '').split(',').some((tag) => ['*', etag].includes(tag.trim().replace(/^W\//, '')));

async function* bodyOf({ body }: Request): AsyncGenerator<Uint8Array> {
  if (body !== null) yield* body as unknown as AsyncIterable<Uint8Array>;
}

function streamOf(
  store: DeviceBlobStore,
  digest: string,
  { offset, length }: ByteSpan,
): ReadableStream<Uint8Array> {
  let at = offset;
  const end = offset + length;
  return new ReadableStream({
    async pull(controller) {
      const part = await store.read(digest, at, Math.min(readBytesMax, end - at));
      // The status has been sent: all that can be said is that the stream breaks.
      if (!part.ok) return controller.error(new Error(part.error.message));
      controller.enqueue(part.value);
      at += part.value.length;
      if (at === end) controller.close();
    },
  });
}

function refuse(
  failed: Failure,
  headers: Record<string, string> = {},
  status: number = failed.code === 'digest_mismatch' ? statusOf.mismatch : httpStatusOf(failed),
): Response {
  const { code, message, retryAfterMs: waitMs } = failed;
  const retry = waitMs === undefined ? {} : { 'Retry-After': String(Math.ceil(waitMs / 1_000)) };
  return Response.json({ error: message, code }, { status, headers: { ...headers, ...retry } });
}
