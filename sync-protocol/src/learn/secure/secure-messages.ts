// What a client and the server say at each stage, as CBOR. The server carries the clients' words to each other; what is
// secret among them is sealed.
//
//   stage         server → client                           client → server
//   keys          the plan, with the task to train          public keys of this attempt, signed
//   shares        all clients' keys                          a sealed pair of shares for each other client
//   input         the shares that are for this client        the masked vector
//   consistency   whose vectors have come                    a signature over that list
//   unmask        the signatures                             shares: of a survivor its seed’s, of a dead its mask key’s

import { err, type Failure, failure, nameSchema, ok, type Result } from '@skerry/shared';
import { encode } from 'cborg';
import { z } from 'zod';
import { decodeAs, encodeOptions, tooLarge } from '../../codec.ts';
import type { SecureStage } from '../messages.ts';
import { keyBytes, sealedOverheadBytes } from './cryptography.ts';
import { type SecureSession, sameSession, secureClientsMax, sessionSchema } from './secure-plan.ts';
import { shareWords } from './shamir.ts';

const version = 1;
/** A certificate of the house has about 500. */
const credentialBytesMax = 2_048;
const signatureBytesMax = 512;
export const shareBytes = shareWords * 4;
const boxBytes = sealedOverheadBytes + 2 * shareBytes;
/** Of any message without its vector: the longest tells all clients' keys. */
const wordsBytesMax = secureClientsMax * (credentialBytesMax + signatureBytesMax + 512);

const bytesSchema = (from: number, to = from) =>
  z.custom<Uint8Array>(
    (v) => v instanceof Uint8Array && v.length >= from && v.length <= to,
    `expected ${from} to ${to} bytes`,
  );
const signatureSchema = bytesSchema(1, signatureBytesMax);
/** One entry a client, in the order of their names: a list has one spelling, and nobody is in it twice. [SEC9] */
const listOf = <T extends z.ZodType<{ readonly client: string }>>(entry: T) =>
  z.array(entry).max(secureClientsMax).refine(isInOrder, 'expected clients in order, each once');

function isInOrder(entries: readonly { readonly client: string }[]): boolean {
  return entries.every(({ client }, i) => i === 0 || (entries[i - 1]?.client ?? '') < client);
}

const ownKeys = {
  channelKey: bytesSchema(keyBytes),
  maskKey: bytesSchema(keyBytes),
  commitment: bytesSchema(keyBytes),
  credential: bytesSchema(1, credentialBytesMax),
  signature: signatureSchema,
};
export const memberSchema = z.strictObject({ client: nameSchema, ...ownKeys });
export type Member = z.infer<typeof memberSchema>;
export const boxSchema = z.strictObject({ client: nameSchema, box: bytesSchema(boxBytes) });
export type Box = z.infer<typeof boxSchema>;
export const signedSchema = z.strictObject({ client: nameSchema, signature: signatureSchema });
export type Signed = z.infer<typeof signedSchema>;
export const sharedSchema = z.strictObject({ client: nameSchema, share: bytesSchema(shareBytes) });
export type Shared = z.infer<typeof sharedSchema>;

const head = { v: z.literal(version), ...sessionSchema.shape };

const fromServerSchema = z.discriminatedUnion('stage', [
  z.strictObject({ ...head, stage: z.literal('shares'), members: listOf(memberSchema) }),
  z.strictObject({ ...head, stage: z.literal('input'), boxes: listOf(boxSchema) }),
  z.strictObject({
    ...head,
    stage: z.literal('consistency'),
    survivors: z
      .array(nameSchema)
      .max(secureClientsMax)
      .refine((names) => isInOrder(names.map((client) => ({ client }))), 'expected names in order'),
  }),
  z.strictObject({ ...head, stage: z.literal('unmask'), signatures: listOf(signedSchema) }),
]);

const fromClientSchema = z.discriminatedUnion('stage', [
  z.strictObject({ ...head, stage: z.literal('keys'), ...ownKeys }),
  z.strictObject({ ...head, stage: z.literal('shares'), boxes: listOf(boxSchema) }),
  z.strictObject({
    ...head,
    stage: z.literal('input'),
    vector: z.custom<Uint8Array>((v) => v instanceof Uint8Array, 'expected bytes'),
  }),
  z.strictObject({ ...head, stage: z.literal('consistency'), signature: signatureSchema }),
  z.strictObject({
    ...head,
    stage: z.literal('unmask'),
    seeds: listOf(sharedSchema),
    maskKeys: listOf(sharedSchema),
  }),
]);

export type FromServer = z.infer<typeof fromServerSchema>;
export type FromClient = z.infer<typeof fromClientSchema>;
export type FromServerAt<S extends SecureStage> = Extract<FromServer, { stage: S }>;
export type FromClientAt<S extends SecureStage> = Extract<FromClient, { stage: S }>;
type WordsOf<M> = M extends unknown ? Omit<M, 'v' | keyof SecureSession> : never;

export const encodeFromServer = (session: SecureSession, words: WordsOf<FromServer>): Uint8Array =>
  encode({ v: version, ...session, ...words }, encodeOptions);

export const encodeFromClient = (session: SecureSession, words: WordsOf<FromClient>): Uint8Array =>
  encode({ v: version, ...session, ...words }, encodeOptions);

/** Fails with `too_large`, `malformed_message`, or `expired` for words of another attempt. */
export function decodeFromServer(bytes: Uint8Array, session: SecureSession): Result<FromServer> {
  return decodeWithin(fromServerSchema, bytes, wordsBytesMax, session);
}

/** As above; `vectorBytesMax` is what this plan’s vectors have. */
export function decodeFromClient(
  bytes: Uint8Array,
  session: SecureSession,
  vectorBytesMax: number,
): Result<FromClient> {
  return decodeWithin(fromClientSchema, bytes, wordsBytesMax + vectorBytesMax, session);
}

function decodeWithin<T extends SecureSession>(
  schema: z.ZodType<T>,
  bytes: Uint8Array,
  bytesMax: number,
  session: SecureSession,
): Result<T> {
  if (bytes.length > bytesMax) return err(tooLarge(bytes.length, bytesMax));
  const decoded = decodeAs(schema, bytes);
  if (!decoded.ok || sameSession(decoded.value, session))
    return decoded.ok ? ok(decoded.value) : decoded;
  return err(ofAnother(decoded.value, session));
}

const ofAnother = (theirs: SecureSession, ours: SecureSession): Failure =>
  failure(
    'expired',
    `words of ${theirs.run} ${theirs.round}.${theirs.attempt}, not of ${ours.run} ${ours.round}.${ours.attempt}`,
  );
