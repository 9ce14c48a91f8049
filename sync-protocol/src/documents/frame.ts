// What one op carries of a document: one frame, with its own digest, because the library that integrates changes does
// not verify them. CBOR {sha256, body}, where `body` is CBOR of the frame; the digest is of exactly these bytes.
// A frame says what its sender has (`heads`) and brings what it believes the receiver lacks.

import { type Digest, digestSchema, err, failure, ok, type Result } from '@skerry/shared';
import { encode } from 'cborg';
import { z } from 'zod';
import { decodeAs, encodeOptions } from '../codec.ts';
import { documentFrameBytesMax } from '../messages.ts';
import { documentIdSchema } from './document.ts';
import { documentBounds } from './document-bounds.ts';

/** The bytes of a part; with all heads there may be, a frame keeps within its bound. */
export const partBytesMax = 40 * 1024;
const changesMax = 1_024;
/** Out of reach for whoever shows an epoch a lead further at a time [DOC17], and the next one is still a whole number. */
export const epochMax = 2 ** 52;

const bytesSchema = z.custom<Uint8Array>((v) => v instanceof Uint8Array, 'expected bytes');
const hashSchema = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 hex digits');
const headsSchema = z.array(hashSchema).max(documentBounds.headsMax);
const partsMax = Math.ceil(documentBounds.saveBytesMax / partBytesMax);

/** A list of changes, or one part of a replica's save. */
const contentSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('nothing') }),
  z.strictObject({
    kind: z.literal('changes'),
    changes: z.array(bytesSchema).min(1).max(changesMax),
  }),
  z
    .strictObject({
      kind: z.literal('part'),
      index: z.int().nonnegative(),
      count: z.int().positive().max(partsMax),
      /** Of the whole. */
      digest: digestSchema,
      bytes: bytesSchema,
    })
    .refine(({ index, count }) => index < count, 'expected a part within its count'),
]);

export const frameSchema = z.strictObject({
  document: documentIdSchema,
  /** Which history these changes belong to: rises when a document starts anew without its past. */
  epoch: z.int().positive().max(epochMax),
  /** What the sender has, once the content is in. */
  heads: headsSchema,
  /** Names a device's frame. */
  id: z.int().nonnegative(),
  /** The device's frame that this one answers. */
  answers: z.int().nonnegative().optional(),
  /**
   * The content takes the receiver's replica's place, who makes its own edits again: those that are not in `basis`, the
   * last heads of the receiver's that are in it.
   */
  replaces: z
    .strictObject({ basis: headsSchema, refused: z.string().max(256).optional() })
    .optional(),
  content: contentSchema,
});
export type Frame = z.infer<typeof frameSchema>;
export type FrameContent = Frame['content'];

export type DigestOf = (bytes: Uint8Array) => Digest;

const sealedSchema = z.strictObject({ sha256: digestSchema, body: bytesSchema });

/** Fails with `too_large` or `invalid_argument`. */
export function encodeFrame(frame: Frame, digestOf: DigestOf): Result<Uint8Array> {
  const checked = frameSchema.safeParse(frame);
  if (!checked.success)
    return err(failure('invalid_argument', `frame: ${checked.error.issues[0]?.message}`));
  const body = encode(checked.data, encodeOptions);
  const bytes = encode({ sha256: digestOf(body), body });
  return bytes.length > documentFrameBytesMax
    ? err(
        failure('too_large', `a frame of ${bytes.length} bytes, at most ${documentFrameBytesMax}`),
      )
    : ok(bytes);
}

/** [DOC4] Nothing of a frame is looked at before its digest agrees. Fails with `malformed_message`. Never throws. */
export function decodeFrame(bytes: Uint8Array, digestOf: DigestOf): Result<Frame> {
  if (bytes.length > documentFrameBytesMax)
    return err(failure('too_large', 'the frame is too large'));
  const sealed = decodeAs(sealedSchema, bytes);
  if (!sealed.ok) return sealed;
  const { sha256, body } = sealed.value;
  return digestOf(body) === sha256
    ? decodeAs(frameSchema, body)
    : err(failure('malformed_message', 'the digest of a document frame does not agree'));
}

/** A save cut into what frames carry. Fails with `too_large` beyond `saveBytesMax`. */
export function partsOf(save: Uint8Array, digestOf: DigestOf): Result<readonly FrameContent[]> {
  if (save.length > documentBounds.saveBytesMax)
    return err(failure('too_large', `a document of ${save.length} bytes cannot travel`));
  const count = Math.max(1, Math.ceil(save.length / partBytesMax));
  const digest = digestOf(save);
  return ok(
    Array.from({ length: count }, (_, index): FrameContent => {
      const bytes = save.slice(index * partBytesMax, (index + 1) * partBytesMax);
      return { kind: 'part', index, count, digest, bytes };
    }),
  );
}

const indexOf = (content: FrameContent): number | undefined =>
  content.kind === 'part' ? content.index : undefined;

/** Whether both are parts of one save. */
export const areOfOneSave = (a: FrameContent, b: FrameContent): boolean =>
  a.kind === 'part' && b.kind === 'part' && a.digest === b.digest && a.count === b.count;

/** [NEV4] With one more part: in place of the same one, and of those of another save. So they are never more than its count. */
export const withPart = (parts: readonly FrameContent[], part: FrameContent): FrameContent[] => [
  ...parts.filter((held) => areOfOneSave(held, part) && indexOf(held) !== indexOf(part)),
  part,
];

/** The save that parts are, in whatever order they came; `undefined` while one is missing. */
export function joinParts(
  parts: readonly FrameContent[],
  digestOf: DigestOf,
): Result<Uint8Array | undefined> {
  const first = parts[0];
  if (first?.kind !== 'part') return ok(undefined);
  const byIndex = new Map<number, Uint8Array>();
  for (const part of parts)
    if (part.kind === 'part' && areOfOneSave(part, first)) byIndex.set(part.index, part.bytes);
  if (byIndex.size < first.count) return ok(undefined);
  const save = new Uint8Array([...byIndex.values()].reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (let index = 0; index < first.count; index++) {
    const bytes = byIndex.get(index) as Uint8Array;
    save.set(bytes, at);
    at += bytes.length;
  }
  return digestOf(save) === first.digest
    ? ok(save)
    : err(failure('digest_mismatch', 'the parts are not the document that was announced'));
}

/** What every actor of a device's begins with; the rest is new with each start. */
export function authorOf(device: string, digestOf: DigestOf): string {
  const authorDigits = 16;
  const digest = digestOf(new TextEncoder().encode(device));
  return digest.slice('sha256:'.length, 'sha256:'.length + authorDigits);
}

/** Changes as they are where they fit one frame; else the sender's whole save, which is smaller than many changes. */
export async function contentOf(
  changes: readonly Uint8Array[],
  save: () => Promise<Result<Uint8Array>>,
  digestOf: DigestOf,
): Promise<Result<readonly FrameContent[]>> {
  if (changes.length === 0) return ok([{ kind: 'nothing' }]);
  const bytes = changes.reduce((sum, { length }) => sum + length, 0);
  if (bytes <= partBytesMax && changes.length <= changesMax)
    return ok([{ kind: 'changes', changes: [...changes] }]);
  const saved = await save();
  return saved.ok ? partsOf(saved.value, digestOf) : saved;
}
