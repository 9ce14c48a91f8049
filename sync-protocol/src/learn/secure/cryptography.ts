// What secure aggregation needs of cryptography, as ports: the state machines stay pure, and a platform’s own primitives do
// the work. Nobody here writes a cipher.

export const keyBytes = 32;

/** An endless stream of pseudorandom bytes: the next so many, in an array that the next call may overwrite. */
export type Keystream = (bytes: number) => Uint8Array;

/** X25519 (RFC 7748 §6.1) with one secret. */
export interface KeyExchange {
  publicKey(): Uint8Array;
  /** `undefined` where the peer’s key is of low order, and the result would be known to all. */
  agree(peerKey: Uint8Array): Uint8Array | undefined;
}

export interface Cryptography {
  /** From the platform’s CSPRNG. */
  randomBytes(bytes: number): Uint8Array;
  /** Any 32 bytes are a secret. */
  keyExchange(secret: Uint8Array): KeyExchange;
  /** HKDF-SHA-256 (RFC 5869). */
  deriveKey(secret: Uint8Array, salt: Uint8Array, info: Uint8Array, bytes: number): Uint8Array;
  /** AES-256-GCM under a nonce of its own choosing: nonce, ciphertext, tag. */
  seal(key: Uint8Array, plaintext: Uint8Array, associated: Uint8Array): Uint8Array;
  /** `undefined` for what was not sealed with these. */
  open(key: Uint8Array, sealed: Uint8Array, associated: Uint8Array): Uint8Array | undefined;
  /** AES-256-CTR (SP 800-38A), from this counter block on; from 0 where none is named. */
  keystream(key: Uint8Array, counterBlock?: Uint8Array): Keystream;
}

/** What `seal` adds: a nonce of 96 bits and a tag of 128 (SP 800-38D). */
export const sealedOverheadBytes = 12 + 16;

/** This device’s long-lived identity, at work. */
export interface RoundSigner {
  /** By which others know whose key it is: a certificate, or a public key that they have on a list. */
  readonly credential: Uint8Array;
  sign(message: Uint8Array): Uint8Array;
}

/** Whom this side believes to be who. The guarantees against an active server are as good as this list is not the server’s. */
export interface RoundVerifier {
  /** False for a credential that is not this client’s, and for whatever cannot be read. */
  verify(
    client: string,
    credential: Uint8Array,
    message: Uint8Array,
    signature: Uint8Array,
  ): boolean;
}
