// Public keys as TUF writes them (TUF specification §4.2), and what they verify, by node:crypto.

import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { z } from 'zod';
import { type Failure, failure, messageOf } from '../../failure.ts';
import { err, ok, type Result } from '../../result.ts';

/** The two kinds of key; a third is a line here and one in `keyObjectOf`. */
const schemes = { ed25519: 'ed25519', ecdsa: 'ecdsa-sha2-nistp256' } as const;

const publicCharsMax = 1_024;

/** `public` is the key's 32 bytes in hex for Ed25519, SPKI as PEM for ECDSA over P-256. */
export const publicKeySchema = z.discriminatedUnion('keytype', [
  z.object({
    keytype: z.literal('ed25519'),
    scheme: z.literal(schemes.ed25519),
    keyval: z.object({ public: z.string().regex(/^[0-9a-f]{64}$/, 'expected 32 bytes in hex') }),
  }),
  z.object({
    keytype: z.literal('ecdsa'),
    scheme: z.literal(schemes.ecdsa),
    keyval: z.object({
      public: z.string().max(publicCharsMax).startsWith('-----BEGIN PUBLIC KEY-----'),
    }),
  }),
]);

export type PublicKey = z.infer<typeof publicKeySchema>;

/** What RFC 8410 §4 puts before the 32 bytes of an Ed25519 key. */
const ed25519Prefix = Buffer.from('302a300506032b6570032100', 'hex');
const p256SignatureBytes = 64;

/** sha256 over the key's canonical JSON (TUF specification §4.2): the same key has the same name everywhere. */
export function keyIdOf({ keytype, scheme, keyval }: PublicKey): string {
  // Canonical JSON escapes nothing but quotes and backslashes, and neither hex nor PEM has one.
  const canonical = `{"keytype":"${keytype}","keyval":{"public":"${keyval.public}"},"scheme":"${scheme}"}`;
  return createHash('sha256').update(canonical).digest('hex');
}

/** Fails with `invalid_argument` for any key but Ed25519 and P-256. Takes a private key too, for its public half. */
export function publicKeyOf(key: KeyObject | string): Result<PublicKey> {
  try {
    const object =
      typeof key === 'string' || key.type === 'private'
        ? createPublicKey(key as Parameters<typeof createPublicKey>[0])
        : key;
    if (object.asymmetricKeyType === 'ed25519') {
      const raw = object.export({ type: 'spki', format: 'der' }).subarray(ed25519Prefix.length);
      const keyval = { public: raw.toString('hex') };
      return ok({ keytype: 'ed25519', scheme: schemes.ed25519, keyval });
    }
    if (object.asymmetricKeyDetails?.namedCurve === 'prime256v1') {
      const keyval = { public: object.export({ type: 'spki', format: 'pem' }).toString().trim() };
      return ok({ keytype: 'ecdsa', scheme: schemes.ecdsa, keyval });
    }
    return err(unusable(`it is ${object.asymmetricKeyType ?? 'no public key'}`));
  } catch (thrown) {
    return err(unusable(messageOf(thrown)));
  }
}

const unusable = (why: string): Failure =>
  failure('invalid_argument', `expected an Ed25519 or P-256 key: ${why}`);

/**
 * ECDSA's signature is DER, as TUF has it, or the 64 bytes of r and s, as DSSE's own vector has it. A key or signature
 * that is none is false like a wrong one.
 */
export function verifySignature(key: PublicKey, bytes: Uint8Array, signature: Uint8Array): boolean {
  try {
    const object = keyObjectOf(key);
    if (key.keytype === 'ed25519') return verify(null, bytes, object, signature);
    if (verify('sha256', bytes, object, signature)) return true;
    const raw = { key: object, dsaEncoding: 'ieee-p1363' } as const;
    return signature.length === p256SignatureBytes && verify('sha256', bytes, raw, signature);
  } catch {
    return false;
  }
}

function keyObjectOf({ keytype, keyval }: PublicKey): KeyObject {
  if (keytype === 'ecdsa') return createPublicKey(keyval.public);
  const der = Buffer.concat([ed25519Prefix, Buffer.from(keyval.public, 'hex')]);
  return createPublicKey({ key: der, format: 'der', type: 'spki' });
}
