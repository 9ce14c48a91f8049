// Cryptography by node:crypto, that is by OpenSSL.

import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { type Cryptography, keyBytes } from '../learn/secure/cryptography.ts';

const nonceBytes = 12;
const tagBytes = 16;
const counterZero = new Uint8Array(16);

/** JWK (RFC 8037): OpenSSL 3 takes twenty times as long over PKCS #8. It finds the public half by itself, whatever `x` is. */
const curve = { kty: 'OKP', crv: 'X25519' };
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');
const anyX = base64(new Uint8Array(keyBytes));

const privateKeyOf = (secret: Uint8Array): KeyObject =>
  createPrivateKey({ key: { ...curve, d: base64(secret), x: anyX }, format: 'jwk' });
const publicKeyOf = (x: Uint8Array): KeyObject =>
  createPublicKey({ key: { ...curve, x: base64(x) }, format: 'jwk' });
/** RFC 7748 §6.1: a public key is what the base point comes to. */
const basePoint = publicKeyOf(Uint8Array.of(9, ...new Uint8Array(keyBytes - 1)));

export function createNodeCryptography(): Cryptography {
  return {
    randomBytes: (bytes) => new Uint8Array(randomBytes(bytes)),

    keyExchange(secret) {
      const privateKey = privateKeyOf(secret);
      return {
        publicKey: () => new Uint8Array(diffieHellman({ privateKey, publicKey: basePoint })),
        agree(peerKey) {
          try {
            return new Uint8Array(diffieHellman({ privateKey, publicKey: publicKeyOf(peerKey) }));
          } catch {
            return undefined; // OpenSSL refuses an all-zero result (RFC 7748 §6.1).
          }
        },
      };
    },

    deriveKey: (secret, salt, info, bytes) =>
      new Uint8Array(hkdfSync('sha256', secret, salt, info, bytes)),

    seal(key, plaintext, associated) {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(associated);
      const sealed = [nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()];
      return new Uint8Array(Buffer.concat(sealed));
    },

    open(key, sealed, associated) {
      if (sealed.length < nonceBytes + tagBytes) return undefined;
      try {
        const tag = sealed.subarray(-tagBytes);
        const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, nonceBytes))
          .setAAD(associated)
          .setAuthTag(tag);
        const opened = decipher.update(sealed.subarray(nonceBytes, -tagBytes));
        return new Uint8Array(Buffer.concat([opened, decipher.final()]));
      } catch {
        return undefined;
      }
    },

    keystream(key, counterBlock = counterZero) {
      const cipher = createCipheriv('aes-256-ctr', key, counterBlock);
      let zeros = new Uint8Array(0);
      return (bytes) => {
        if (zeros.length < bytes) zeros = new Uint8Array(bytes);
        return cipher.update(zeros.subarray(0, bytes));
      };
    },
  };
}
