// Who has signed: the one place where the repository side checks a signature. A key counts once, whatever came of it.

import { err, failure, ok, type Result } from '@skerry/shared';
import { type Signer, verifySignature } from '@skerry/shared/node';
import {
  canonicalBytes,
  type KeySet,
  type Keys,
  type Metadata,
  type Signature,
  type Signed,
} from './metadata.ts';

/** The ids of the role's keys whose signature verifies. */
export function signersOf({ signed, signatures }: Metadata, keys: Keys, role: KeySet): string[] {
  const bytes = canonicalBytes(signed);
  return [...new Set(role.keyids)].filter((id) => {
    const key = keys[id];
    const signature = signatures.find(({ keyid }) => keyid === id);
    if (key === undefined || signature === undefined) return false;
    return verifySignature(key, bytes, Buffer.from(signature.sig, 'hex'));
  });
}

/** Fails with `untrusted`, saying whose signatures are missing. */
export function requireThreshold(
  what: string,
  metadata: Metadata,
  keys: Keys,
  role: KeySet,
): Result<void> {
  const signers = signersOf(metadata, keys, role);
  if (signers.length >= role.threshold) return ok(undefined);
  const open = role.keyids.filter((id) => !signers.includes(id)).map((id) => id.slice(0, 8));
  const short = `${what} has ${signers.length} of ${role.threshold} signatures`;
  return err(failure('untrusted', `${short}; still to sign, of: ${open.join(', ')}`));
}

/** Fails as a signer does. */
export async function signMetadata<T extends Signed>(
  signed: T,
  signers: readonly Signer[],
): Promise<Result<Metadata<T>>> {
  const bytes = canonicalBytes(signed);
  const signatures: Signature[] = [];
  for (const signer of signers) {
    const signature = await signer.sign(bytes);
    if (!signature.ok) return signature;
    signatures.push({ keyid: signer.keyId, sig: Buffer.from(signature.value).toString('hex') });
  }
  return ok({ signed, signatures });
}
