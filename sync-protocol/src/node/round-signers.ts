// Who has signed a round’s keys, by the identity that devices have anyway: an X.509 certificate of the fleet’s authority,
// whose common name is the device. Where there is none, Ed25519 keys that are on a list.

import {
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign,
  verify,
  X509Certificate,
} from 'node:crypto';
import { err, failure, messageOf, ok, type Result } from '@skerry/shared';
import type { RoundSigner, RoundVerifier } from '../learn/secure/cryptography.ts';

/** r and s, 64 bytes: DER has no one length. Nothing to Ed25519. */
const dsaEncoding = 'ieee-p1363';
/** What RFC 8410 §4 puts before the 32 bytes of an Ed25519 key. */
const ed25519Prefix = Buffer.from('302a300506032b6570032100', 'hex');
/** Certificates that were found good, of the last rounds. */
const certificatesMax = 256;

const hashOf = ({ asymmetricKeyType }: KeyObject): 'sha256' | null =>
  asymmetricKeyType === 'ed25519' ? null : 'sha256';

/** `key` and `certificate` are PEM. Fails with `invalid_argument`. */
export function createCertificateSigner(key: string, certificate: string): Result<RoundSigner> {
  try {
    const privateKey = createPrivateKey(key);
    const { raw } = new X509Certificate(certificate);
    return ok({
      credential: new Uint8Array(raw),
      sign: (message) =>
        new Uint8Array(sign(hashOf(privateKey), message, { key: privateKey, dsaEncoding })),
    });
  } catch (thrown) {
    return err(failure('invalid_argument', `no key with its certificate: ${messageOf(thrown)}`));
  }
}

/** Believes `authority` (PEM), at the time of the question. Fails with `invalid_argument` where it is no certificate. */
export function createCertificateVerifier(
  authority: string,
  nowMs: () => number,
): Result<RoundVerifier> {
  try {
    const issuer = new X509Certificate(authority);
    const known = new Map<string, X509Certificate>();
    return ok({
      verify(client, credential, message, signature) {
        try {
          const certificate = readCertificate(known, issuer, credential);
          if (certificate === undefined || !isValidAt(certificate, nowMs())) return false;
          if (commonName(certificate) !== client) return false;
          const key = certificate.publicKey;
          return verify(hashOf(key), message, { key, dsaEncoding }, signature);
        } catch {
          return false;
        }
      },
    });
  } catch (thrown) {
    return err(failure('invalid_argument', `no authority: ${messageOf(thrown)}`));
  }
}

function readCertificate(
  known: Map<string, X509Certificate>,
  issuer: X509Certificate,
  credential: Uint8Array,
): X509Certificate | undefined {
  const name = Buffer.from(credential).toString('base64');
  const before = known.get(name);
  if (before !== undefined) return before;
  const certificate = new X509Certificate(credential);
  if (!certificate.checkIssued(issuer) || !certificate.verify(issuer.publicKey)) return undefined;
  const [oldest] = known.keys();
  if (known.size >= certificatesMax && oldest !== undefined) known.delete(oldest);
  known.set(name, certificate);
  return certificate;
}

const isValidAt = ({ validFrom, validTo }: X509Certificate, nowMs: number): boolean =>
  Date.parse(validFrom) <= nowMs && nowMs <= Date.parse(validTo);

const commonName = ({ subject }: X509Certificate): string | undefined =>
  /^CN=(.*)$/m.exec(subject)?.[1];

/** `key` is a private Ed25519 key; its credential is the public one’s 32 bytes. */
export function createEd25519Signer(key: KeyObject): RoundSigner {
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return {
    credential: new Uint8Array(spki.subarray(ed25519Prefix.length)),
    sign: (message) => new Uint8Array(sign(null, message, key)),
  };
}

/** `keyOf` is the list: a client’s Ed25519 key, 32 bytes. */
export function createEd25519Verifier(
  keyOf: (client: string) => Uint8Array | undefined,
): RoundVerifier {
  const keys = new WeakMap<Uint8Array, KeyObject>();
  return {
    verify(client, credential, message, signature) {
      const listed = keyOf(client);
      if (listed === undefined || !Buffer.from(listed).equals(credential)) return false;
      try {
        const x = Buffer.from(listed).toString('base64url');
        const jwk = { kty: 'OKP', crv: 'Ed25519', x };
        const key = keys.get(listed) ?? createPublicKey({ key: jwk, format: 'jwk' });
        keys.set(listed, key);
        return verify(null, message, key, signature);
      } catch {
        return false;
      }
    },
  };
}
