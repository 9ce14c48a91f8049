// Who can sign, wherever the private key is: in a file, in a variable, behind PKCS #11 in a token that never lets it go.
// An adapter gives the public half and signs; nothing else of the key is ever seen.
//
// A PKCS #11 adapter: C_GetAttributeValue (CKA_EC_POINT) for `publicKey`; C_SignInit with CKM_EDDSA and C_Sign over the
// bytes, or, for P-256, CKM_ECDSA over their sha256, whose r and s (64 bytes) `verifySignature` takes as they are, and
// which TUF's other clients want as DER. `sign` is asynchronous because a token takes its time, or asks for a PIN.

import { type KeyObject, sign } from 'node:crypto';
import { failure, messageOf } from '../../failure.ts';
import { err, ok, type Result } from '../../result.ts';
import { keyIdOf, type PublicKey, publicKeyOf } from './public-key.ts';

export interface Signer {
  readonly keyId: string;
  readonly publicKey: PublicKey;
  /** Over the bytes themselves: the scheme hashes them. Fails with `unavailable` where the key cannot be used now. */
  sign(bytes: Uint8Array): Promise<Result<Uint8Array>>;
}

/** With a private key in this process. Fails with `invalid_argument` for any but Ed25519 and P-256. */
export function createKeySigner(key: KeyObject): Result<Signer> {
  const publicKey = publicKeyOf(key);
  if (!publicKey.ok) return publicKey;
  const hash = publicKey.value.keytype === 'ed25519' ? null : 'sha256';
  return ok({
    keyId: keyIdOf(publicKey.value),
    publicKey: publicKey.value,
    async sign(bytes) {
      try {
        return ok(new Uint8Array(sign(hash, bytes, key)));
      } catch (thrown) {
        return err(failure('unavailable', `cannot sign: ${messageOf(thrown)}`));
      }
    },
  });
}
