// What every Cryptography must do: the published vectors, and that nothing opens but what was sealed.

import { describe, expect, it } from 'vitest';
import {
  type Cryptography,
  type KeyExchange,
  sealedOverheadBytes,
} from '../learn/secure/cryptography.ts';

const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));
const hexOf = (bytes: Uint8Array | undefined): string | undefined =>
  bytes && Buffer.from(bytes).toString('hex');

export function cryptographyContract(name: string, create: () => Cryptography): void {
  describe(`${name}: Cryptography`, () => {
    const { deriveKey, keyExchange, keystream, open, randomBytes, seal } = create();

    it('[SEC1] X25519 as RFC 7748 §6.1', () => {
      const [alice, bob] = [
        '77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a',
        '5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb',
      ].map((secret) => keyExchange(bytesOf(secret))) as [KeyExchange, KeyExchange];
      const shared = '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742';
      expect(hexOf(alice.publicKey())).toBe(
        '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a',
      );
      expect(hexOf(bob.publicKey())).toBe(
        'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f',
      );
      expect(hexOf(alice.agree(bob.publicKey()))).toBe(shared);
      expect(hexOf(bob.agree(alice.publicKey()))).toBe(shared);
    });

    it('[SEC1] X25519 with a key of low order comes to nothing', () => {
      for (const low of ['00', '01'])
        expect(keyExchange(randomBytes(32)).agree(bytesOf(low.padEnd(64, '0')))).toBeUndefined();
    });

    it('[SEC1] HKDF as RFC 5869 A.1', () => {
      const info = bytesOf('f0f1f2f3f4f5f6f7f8f9');
      const salt = bytesOf('000102030405060708090a0b0c');
      expect(hexOf(deriveKey(bytesOf('0b'.repeat(22)), salt, info, 42))).toBe(
        '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
      );
    });

    it('[SEC1] AES-256-CTR as SP 800-38A F.5.5', () => {
      const key = bytesOf('603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4');
      const next = keystream(key, bytesOf('f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff'));
      const blocks = [
        ['6bc1bee22e409f96e93d7e117393172a', '601ec313775789a5b7a7f504bbf3d228'],
        ['ae2d8a571e03ac9c9eb76fac45af8e51', 'f443e3ca4d62b59aca84e990cacaf5c5'],
      ] as const;
      for (const [plain, encrypted] of blocks) {
        const stream = next(16);
        expect(hexOf(bytesOf(plain).map((byte, i) => byte ^ (stream[i] as number)))).toBe(
          encrypted,
        );
      }
    });

    it('[SEC1] the stream begins at the counter 0, and goes on however it is cut', () => {
      // The generator of Google’s federated compute platform, whose test has this vector.
      const key = new Uint8Array(32).fill(0x31);
      const whole = 'b08ecf9ec7eb5f0d7b78c42556d668ac0ede721a5818fe812d565cbdb5f11f4e';
      expect(hexOf(keystream(key)(32))).toBe(whole);
      const next = keystream(key);
      expect([4, 20, 8].map((bytes) => hexOf(next(bytes))).join('')).toBe(whole);
    });

    it('[SEC1] what was sealed opens with the same key and data, and else not at all', () => {
      const [key, plain, data] = [randomBytes(32), randomBytes(88), randomBytes(9)];
      const sealed = seal(key, plain, data);
      expect(sealed).toHaveLength(plain.length + sealedOverheadBytes);
      expect(hexOf(seal(key, plain, data))).not.toBe(hexOf(sealed));
      expect(open(key, sealed, data)).toEqual(plain);
      expect(open(randomBytes(32), sealed, data)).toBeUndefined();
      expect(open(key, sealed, randomBytes(9))).toBeUndefined();
      for (const at of [0, 12, sealed.length - 1]) {
        const damaged = sealed.slice();
        damaged[at] = (damaged[at] as number) ^ 1;
        expect(open(key, damaged, data)).toBeUndefined();
      }
      for (const length of [0, 11, sealedOverheadBytes - 1, sealed.length - 1])
        expect(open(key, sealed.subarray(0, length), data)).toBeUndefined();
    });

    it('[SEC1] draws as many bytes as asked for, and others each time', () => {
      const drawn = [randomBytes(32), randomBytes(32)];
      expect(drawn.map((bytes) => bytes.length)).toEqual([32, 32]);
      expect(hexOf(drawn[0])).not.toBe(hexOf(drawn[1]));
    });
  });
}
