// A document's bytes as they travel: its text, where its passages lie, and their vectors in half precision. The same
// document makes the same bytes, wherever it was read: what is known of it beside them stands in the snapshot's entry.

import { digestSchema, err, failure, ok, type Result } from '@skerry/shared';
import { z } from 'zod';
import { canonicalJson } from './canonical-json.ts';
import { type DigestOf, merkleRoot } from './merkle.ts';
import { documentBlobBytesMax, passagesMax, readJson, vectorsSchema } from './snapshot.ts';

export interface TravelPassage {
  readonly start: number;
  readonly end: number;
  readonly heading: string;
  /** Of the text that was embedded. */
  readonly textDigest: string;
}

export interface TravelDocument {
  readonly text: string;
  /** Where pages begin, where it has pages. */
  readonly pages?: readonly number[] | undefined;
  readonly passages: readonly TravelPassage[];
  /** Whose the halves are; null: there are none. */
  readonly vectors: { readonly embedder: string; readonly dimensions: number } | null;
  /** One passage's after the other's, IEEE 754 half precision, of length 1. */
  readonly halves: Uint16Array;
}

const magic = new TextEncoder().encode('SKDOC1\n\0');
const headerAt = magic.length + 4;
/** Of a half: infinite, or no number. */
const exponentMask = 0x7c00;

const headerSchema = z.strictObject({
  text: z.string(),
  pages: z.array(z.int().nonnegative()).max(100_000).optional(),
  passages: z
    .array(
      z.strictObject({
        start: z.int().nonnegative(),
        end: z.int().nonnegative(),
        heading: z.string(),
        textDigest: digestSchema,
      }),
    )
    .max(passagesMax),
  vectors: vectorsSchema.nullable(),
});

export function encodeDocument(document: TravelDocument): Uint8Array<ArrayBuffer> {
  const { text, pages, vectors } = document;
  const passages = document.passages.map(({ start, end, heading, textDigest }) => {
    return { start, end, heading, textDigest };
  });
  const header = new TextEncoder().encode(canonicalJson({ text, pages, passages, vectors }));
  const bytes = new Uint8Array(headerAt + header.length + 2 * document.halves.length);
  bytes.set(magic);
  const view = new DataView(bytes.buffer);
  view.setUint32(magic.length, header.length, true);
  bytes.set(header, headerAt);
  for (const [i, half] of document.halves.entries())
    view.setUint16(headerAt + header.length + 2 * i, half, true);
  return bytes;
}

/** Fails with `malformed_message`. Passages are the text without gap or overlap, and each has its vector, or none has. */
export function decodeDocument(bytes: Uint8Array): Result<TravelDocument> {
  if (bytes.length > documentBlobBytesMax) return malformed('more bytes than a document may have');
  if (bytes.length < headerAt || magic.some((byte, i) => bytes[i] !== byte))
    return malformed('it is no document');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = headerAt + view.getUint32(magic.length, true);
  if (end > bytes.length) return malformed('it is cut off');
  const header = readJson(
    bytes.subarray(headerAt, end),
    documentBlobBytesMax,
    headerSchema,
    'a document',
  );
  if (!header.ok) return header;
  const { text, passages, pages, vectors } = header.value;
  let at = 0;
  for (const passage of passages) {
    if (passage.start !== at || passage.end <= at) return malformed('its passages leave a gap');
    at = passage.end;
  }
  if (at !== text.length) return malformed('its passages are not its text');
  const halves = new Uint16Array((bytes.length - end) >> 1);
  const expected = (vectors?.dimensions ?? 0) * passages.length;
  if (2 * expected !== bytes.length - end) return malformed('not a vector for each passage');
  for (let i = 0; i < halves.length; i++) {
    const half = view.getUint16(end + 2 * i, true);
    if ((half & exponentMask) === exponentMask) return malformed('a vector is not finite');
    halves[i] = half;
  }
  return ok({ text, ...(pages === undefined ? {} : { pages }), passages, vectors, halves });
}

/** A passage as the snapshot's trees have it. */
export interface ProvenPassage {
  readonly ordinal: number;
  readonly start: number;
  readonly end: number;
  readonly heading: string;
  readonly text: string;
}

export const passageLeaf = ({ ordinal, start, end, heading, text }: ProvenPassage): string =>
  canonicalJson({ ordinal, start, end, heading, text });

export const passageLeaves = ({
  text,
  passages,
}: Pick<TravelDocument, 'text' | 'passages'>): string[] =>
  passages.map(({ start, end, heading }, ordinal) =>
    passageLeaf({ ordinal, start, end, heading, text: text.slice(start, end) }),
  );

export const passagesRootOf = (
  document: Pick<TravelDocument, 'text' | 'passages'>,
  digestOf: DigestOf,
): string => merkleRoot(passageLeaves(document), digestOf);

const malformed = (message: string) => err(failure('malformed_message', message));
