// HTTP Content-Encoding (RFC 9110 §8.4), both ways: gzip and deflate, as Triton takes them. Inflating stops at a bound.

import { err, failure, ok, type Result } from '@skerry/shared';
import { concatenate } from './concatenate.ts';

const codings = ['gzip', 'deflate'] as const;
type Coding = (typeof codings)[number];

/** Below one packet there is nothing to save. */
const compressBytesMin = 1_400;

/** Fails with `too_large`, or with `invalid_argument` for another coding or bytes that are none. */
export async function decodeContent(
  body: Uint8Array,
  encoding: string | undefined,
  bytesMax: number,
): Promise<Result<Uint8Array>> {
  if (encoding === undefined || encoding === 'identity' || encoding === '') return ok(body);
  const coding = codings.find((known) => known === encoding.toLowerCase());
  if (coding === undefined)
    return err(
      failure('invalid_argument', `Content-Encoding is not one of identity, ${codings.join(', ')}`),
    );
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of through(body, new DecompressionStream(coding))) {
      bytes += chunk.byteLength;
      if (bytes > bytesMax)
        return err(failure('too_large', `the inflated body exceeds ${bytesMax} bytes`));
      chunks.push(chunk);
    }
  } catch {
    return err(failure('invalid_argument', `the body is no ${coding}`));
  }
  return ok(concatenate(chunks));
}

/** The coding that the response is to have; undefined where it travels as it is. */
export function chooseCoding(accepted: string | undefined, bytes: number): Coding | undefined {
  if (accepted === undefined || bytes < compressBytesMin) return undefined;
  const names = accepted.split(',').map((item) => item.trim().toLowerCase());
  return codings.find((coding) => names.includes(coding));
}

export async function encodeContent(
  body: Uint8Array,
  coding: Coding,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of through(body, new CompressionStream(coding))) chunks.push(chunk);
  return concatenate(chunks);
}

async function* through(
  body: Uint8Array,
  stream: CompressionStream | DecompressionStream,
): AsyncGenerator<Uint8Array> {
  const source = new Blob([body as Uint8Array<ArrayBuffer>]).stream();
  const reader = source.pipeThrough<Uint8Array>(stream).getReader();
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value;
  } finally {
    await reader.cancel().catch(() => {});
  }
}
