// Messages and op bodies to bytes and back: CBOR (RFC 8949), definite lengths, sorted keys, every message checked
// against its schema on both ways. Bad bytes are a Failure, never a throw. [COD1–COD7]
// NaN and infinities have no place in a message; −0 arrives as 0.

import {
  envelopeBytesMax,
  err,
  type Failure,
  failure,
  messageOf,
  nameSchema,
  ok,
  type Result,
} from '@skerry/shared';
import { type DecodeOptions, decode, encode } from 'cborg';
import { z } from 'zod';
import { seal, unseal } from './checksum.ts';
import { type Dialects, spokenDialects } from './dialects.ts';
import {
  type DownBody,
  downBodySchema,
  type Message,
  messageSchema,
  type UpBody,
  upBodySchema,
} from './messages.ts';

/** An envelope without its ops and its status: head, acks, checksum, the map's own bytes. */
const envelopeOverheadBytesMax = 4_096;
/** What an op adds to its body: the map, four keys, two numbers, an epoch. */
const opOverheadBytes = 96;
/** The room for ops in one message, and so the largest single op. */
export const opsBytesMax = envelopeBytesMax - envelopeOverheadBytesMax;

export const encodeOptions = { ignoreUndefinedProperties: true };
const decodeOptions: DecodeOptions = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  allowBigInt: false,
  rejectDuplicateMapKeys: true,
};

/** Fails with `too_large`, or `invalid_argument` for what no peer would accept. */
export function encodeMessage(
  message: Message,
  dialects: Dialects = spokenDialects,
): Result<Uint8Array> {
  const checked = check(messageSchema, message, 'invalid_argument');
  if (!checked.ok) return checked;
  const dialect = dialects.get(message.v);
  if (dialect === undefined) return err(unspoken(message.v, dialects));
  const bytes = seal(encode(dialect.toWire(checked.value), encodeOptions));
  return bytes.length > envelopeBytesMax
    ? err(tooLarge(bytes.length, envelopeBytesMax))
    : ok(bytes);
}

/** Fails with `too_large`, `unsupported_version` or `malformed_message`. */
export function decodeMessage(
  bytes: Uint8Array,
  dialects: Dialects = spokenDialects,
): Result<Message> {
  const raw = open(bytes);
  if (!raw.ok) return raw;
  const versioned = check(versionedSchema, raw.value, 'malformed_message');
  if (!versioned.ok) return versioned;
  const dialect = dialects.get(versioned.value.v);
  if (dialect === undefined) return err(unspoken(versioned.value.v, dialects));
  return check(messageSchema, dialect.fromWire(raw.value), 'malformed_message');
}

/** What every version of an Exchange holds, and so whom to answer that speaks another. [VER2] */
const exchangeHeadSchema = z.looseObject({
  v: z.int().positive(),
  oldest: z.int().positive(),
  type: z.literal('exchange'),
  device: nameSchema,
  exchangeId: z.string().min(1).max(64),
});
export type ExchangeHead = z.infer<typeof exchangeHeadSchema>;

/** Fails with `too_large` or `malformed_message`. */
export function decodeExchangeHead(bytes: Uint8Array): Result<ExchangeHead> {
  const raw = open(bytes);
  return raw.ok ? check(exchangeHeadSchema, raw.value, 'malformed_message') : raw;
}

/** What this op takes of a message's room for ops; never less than its true share. */
export function opBytes(body: UpBody | DownBody): number {
  return encode(body, encodeOptions).length + opOverheadBytes; // Faster than cborg's encodedLength.
}

/** A body as a store keeps it. Fails with `too_large` or `invalid_argument` when it could never be sent. [COD6] */
export function encodeBody(body: UpBody | DownBody): Result<Uint8Array> {
  const checked = check(bodySchema, body, 'invalid_argument');
  if (!checked.ok) return checked;
  const bytes = encode(checked.value, encodeOptions);
  const total = bytes.length + opOverheadBytes;
  return total > opsBytesMax ? err(tooLarge(total, opsBytesMax)) : ok(bytes);
}

export function decodeUpBody(bytes: Uint8Array): Result<UpBody> {
  return decodeAs(upBodySchema, bytes);
}

export function decodeDownBody(bytes: Uint8Array): Result<DownBody> {
  return decodeAs(downBodySchema, bytes);
}

const versionedSchema = z.looseObject({ v: z.int() });
const bodySchema = z.union([upBodySchema, downBodySchema]);

/** Fails with `malformed_message`. */
export function decodeAs<T>(schema: z.ZodType<T>, bytes: Uint8Array): Result<T> {
  const raw = decodeCbor(bytes);
  return raw.ok ? check(schema, raw.value, 'malformed_message') : raw;
}

/** What lies under the checksum. [COD8] */
function open(bytes: Uint8Array): Result<unknown> {
  if (bytes.length > envelopeBytesMax) return err(tooLarge(bytes.length, envelopeBytesMax));
  const item = unseal(bytes);
  return item.ok ? decodeCbor(item.value) : item;
}

/** cborg throws on anything amiss; a nesting that outgrows the stack is a RangeError like another. */
export function decodeCbor(bytes: Uint8Array): Result<unknown> {
  try {
    return ok(decode(bytes, decodeOptions));
  } catch (thrown) {
    return err(failure('malformed_message', messageOf(thrown)));
  }
}

export function check<T>(
  schema: z.ZodType<T>,
  value: unknown,
  code: 'malformed_message' | 'invalid_argument',
): Result<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return ok(parsed.data);
  const issue = parsed.error.issues[0];
  return err(failure(code, `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`));
}

const unspoken = (v: number, dialects: Dialects): Failure =>
  failure('unsupported_version', `expected version ${[...dialects.keys()].join(' or ')}, got ${v}`);

export const tooLarge = (bytes: number, bytesMax: number): Failure =>
  failure('too_large', `${bytes} bytes, at most ${bytesMax}`);
