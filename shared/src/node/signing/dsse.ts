// Signs and verifies DSSE envelopes (github.com/secure-systems-lab/dsse, protocol.md 1.0.2). What is signed is the
// payload's type and bytes, never its parsed form, so no two parsers can differ about what somebody has signed.

import { type DsseEnvelope, dsseEnvelopeSchema } from '../../dsse-envelope.ts';
import { type Failure, failure } from '../../failure.ts';
import { err, ok, type Result } from '../../result.ts';
import { keyIdOf, type PublicKey, verifySignature } from './public-key.ts';
import type { Signer } from './signer.ts';

/** Fails as the signer does. */
export async function signEnvelope(
  signer: Signer,
  payloadType: string,
  payload: Uint8Array,
): Promise<Result<DsseEnvelope>> {
  const signature = await signer.sign(preAuthenticationEncoding(payloadType, payload));
  if (!signature.ok) return signature;
  return ok({
    payloadType,
    payload: Buffer.from(payload).toString('base64'),
    signatures: [{ keyid: signer.keyId, sig: Buffer.from(signature.value).toString('base64') }],
  });
}

/**
 * The payload, where at least `threshold` of `keys` have signed it as `payloadType`. `envelope` is whatever came: its
 * shape is checked here. Fails with `malformed_message`, or `untrusted`.
 */
export function verifyEnvelope(
  envelope: unknown,
  keys: readonly PublicKey[],
  threshold: number,
  payloadType: string,
): Result<Uint8Array> {
  const parsed = dsseEnvelopeSchema.safeParse(envelope);
  if (!parsed.success) return err(failure('malformed_message', 'expected a DSSE envelope'));
  const { payload: text, signatures, payloadType: type } = parsed.data;
  if (type !== payloadType) return err(untrusted(`it is a ${type}, expected a ${payloadType}`));
  const payload = new Uint8Array(Buffer.from(text, 'base64'));
  const encoded = preAuthenticationEncoding(type, payload);
  // By name, for a key that is listed twice must not count twice.
  const unused = new Map(keys.map((key) => [keyIdOf(key), key]));
  const needed = Math.max(1, threshold);
  let accepted = 0;
  for (const { keyid, sig } of signatures) {
    const signature = Buffer.from(sig, 'base64');
    // The key id narrows the search where it names a key; it decides nothing.
    const candidates = keyid !== undefined && unused.has(keyid) ? [keyid] : [...unused.keys()];
    const by = candidates.find((id) => {
      const key = unused.get(id);
      return key !== undefined && verifySignature(key, encoded, signature);
    });
    if (by !== undefined && unused.delete(by)) accepted += 1;
  }
  if (accepted >= needed) return ok(payload);
  return err(untrusted(`${accepted} of ${keys.length} keys have signed it, ${needed} must`));
}

const untrusted = (why: string): Failure => failure('untrusted', `the envelope: ${why}`);

/** PAE: lengths before each part, so that no two (type, body) have one encoding. */
export function preAuthenticationEncoding(payloadType: string, body: Uint8Array): Uint8Array {
  const type = Buffer.from(payloadType);
  return Buffer.concat([
    Buffer.from(`DSSEv1 ${type.length} `),
    type,
    Buffer.from(` ${body.length} `),
    body,
  ]);
}
