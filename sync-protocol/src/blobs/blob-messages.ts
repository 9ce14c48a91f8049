// What the two sides say to move a blob in chunks. The device drives and the coordinator keeps no state but its store:
//
//   download   device ── want {missing, chunksMax} ──► coordinator      upload   device ── offer ───────► coordinator
//              device ◄── chunk, chunk, … ──────────── coordinator               device ◄── holding ──── coordinator
//                                                                                device ── chunk, … ───► coordinator
//                                                                                device ── offer ──────► …
//
// Each may be lost, repeated, delayed or overtaken: a chunk is true by itself, and a round that brings less than it
// asked for is followed by another that asks for the rest. Anything else is a `refusal` with its reason.

import {
  digestSchema,
  envelopeBytesMax,
  err,
  type Failure,
  type FailureCode,
  failure,
  failureCatalogue,
  ok,
  type Result,
} from '@skerry/shared';
import { encode } from 'cborg';
import { z } from 'zod';
import { check, decodeCbor, encodeOptions, tooLarge } from '../codec.ts';
import { isBitmapOf } from './bitmap.ts';
import { blobBytesMax, chunkCount, chunkSpan } from './blob.ts';

/** Blob messages change by themselves: no dialects, for what a refusal costs is a try over HTTP. */
export const blobVersion = 1;
/** Chunks that one `want` may ask for, and that an uploader sends before it asks what arrived. */
export const chunksInFlightMax = 32;

const bytesSchema = z.custom<Uint8Array>((v) => v instanceof Uint8Array, 'expected bytes');
const header = { v: z.int().positive(), digest: digestSchema };
const sized = { ...header, bytes: z.int().min(1).max(blobBytesMax) };
/** Which offer a holding answers, so that a late copy of an older one is not taken for news. */
const round = { round: z.int().nonnegative() };
const failureCodes = Object.keys(failureCatalogue) as [FailureCode, ...FailureCode[]];
const bitmapFits = ({ missing, bytes }: { missing: Uint8Array; bytes: number }): boolean =>
  isBitmapOf(missing, chunkCount(bytes));

/** Device → coordinator: send me the first `chunksMax` of these. */
const wantSchema = z
  .strictObject({
    ...sized,
    type: z.literal('want'),
    missing: bytesSchema,
    chunksMax: z.int().min(1).max(chunksInFlightMax),
  })
  .refine(bitmapFits, 'expected a bitmap of the blob’s chunks');

/** Device → coordinator: I have this; what do you miss of it? */
const offerSchema = z.strictObject({ ...sized, ...round, type: z.literal('offer') });

/** Coordinator → device. Nothing missing means: whole, verified and durable. */
const holdingSchema = z
  .strictObject({ ...sized, ...round, type: z.literal('holding'), missing: bytesSchema })
  .refine(bitmapFits, 'expected a bitmap of the blob’s chunks');

/** Either way. `sha256` is the chunk's own, so that damage costs one chunk and not the blob. */
const chunkSchema = z
  .strictObject({
    ...sized,
    type: z.literal('chunk'),
    index: z.int().nonnegative(),
    sha256: digestSchema,
    data: bytesSchema,
  })
  .refine(
    ({ bytes, index, data }) => chunkSpan(bytes, index)?.length === data.length,
    'expected a chunk of the blob, of its length',
  );

/** Coordinator → device: no, and why. */
const refusalSchema = z.strictObject({
  ...header,
  type: z.literal('refusal'),
  code: z.enum(failureCodes),
  message: z.string().max(256),
  retryAfterMs: z.int().nonnegative().optional(),
});

const blobMessageSchema = z.discriminatedUnion('type', [
  wantSchema,
  offerSchema,
  holdingSchema,
  chunkSchema,
  refusalSchema,
]);
export type BlobMessage = z.infer<typeof blobMessageSchema>;
export type BlobMessageOf<K extends BlobMessage['type']> = Extract<BlobMessage, { type: K }>;

/** Fails with `too_large`, or `invalid_argument` for what no peer would accept. */
export function encodeBlobMessage(message: BlobMessage): Result<Uint8Array> {
  const checked = check(blobMessageSchema, message, 'invalid_argument');
  if (!checked.ok) return checked;
  const bytes = encode(checked.value, encodeOptions);
  return bytes.length > envelopeBytesMax
    ? err(tooLarge(bytes.length, envelopeBytesMax))
    : ok(bytes);
}

/** Fails with `too_large`, `unsupported_version` or `malformed_message`. */
export function decodeBlobMessage(bytes: Uint8Array): Result<BlobMessage> {
  if (bytes.length > envelopeBytesMax) return err(tooLarge(bytes.length, envelopeBytesMax));
  const raw = decodeCbor(bytes);
  if (!raw.ok) return raw;
  const versioned = check(z.looseObject({ v: z.int() }), raw.value, 'malformed_message');
  if (!versioned.ok) return versioned;
  if (versioned.value.v !== blobVersion)
    return err(failure('unsupported_version', `a blob message of version ${versioned.value.v}`));
  return check(blobMessageSchema, raw.value, 'malformed_message');
}

const refusalMessageCharsMax = 256;

export function refusalOf(digest: string, { code, message, retryAfterMs }: Failure): BlobMessage {
  return {
    v: blobVersion,
    type: 'refusal',
    digest,
    code,
    message: message.slice(0, refusalMessageCharsMax),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs: Math.ceil(retryAfterMs) }),
  };
}

export function failureOf({ code, message, retryAfterMs }: BlobMessageOf<'refusal'>): Failure {
  return failure(code, message, retryAfterMs === undefined ? {} : { retryAfterMs });
}
