// The bytes that are signed, and those that keys are bound to: each names the protocol, what it is for, and the attempt.
// CBOR arrays, so that no two lists of parts read alike.

import { encode } from 'cborg';
import { type Cryptography, type KeyExchange, keyBytes } from './cryptography.ts';
import type { SecurePlan, SecureSession } from './secure-plan.ts';

const protocol = 'skerry-secure-aggregation-1';
const salt = new TextEncoder().encode(protocol);

/** What a client makes for one attempt and shows to the others. */
export interface PublicKeys {
  /** For shares that no other shall read. */
  readonly channelKey: Uint8Array;
  /** For masks that cancel each other. */
  readonly maskKey: Uint8Array;
  /** To its own mask’s seed, so that a false share of it is told from a true one. */
  readonly commitment: Uint8Array;
}

export interface NamedKeys extends PublicKeys {
  readonly client: string;
}

type Part = string | number | Uint8Array | readonly string[] | SecurePlan;

const bound = (purpose: string, session: SecureSession, ...parts: readonly Part[]): Uint8Array =>
  encode([protocol, purpose, session.run, session.round, session.attempt, ...parts]);

export const keysTranscript = (
  session: SecureSession,
  plan: SecurePlan,
  { client, channelKey, maskKey, commitment }: NamedKeys,
): Uint8Array => bound('keys', session, plan, client, channelKey, maskKey, commitment);

export const survivorsTranscript = (
  session: SecureSession,
  survivors: readonly string[],
): Uint8Array => bound('survivors', session, survivors);

/** What a sealed pair of shares is for, so that it opens nowhere else. */
export const boxTranscript = (session: SecureSession, from: string, to: string): Uint8Array =>
  bound('shares', session, from, to);

/** One way: the answer from `to` is sealed with another key. `undefined` where the peer’s key is of low order. */
export function boxKey(
  { deriveKey }: Cryptography,
  session: SecureSession,
  exchange: KeyExchange,
  peerKey: Uint8Array,
  [from, to]: readonly [from: string, to: string],
): Uint8Array | undefined {
  const shared = exchange.agree(peerKey);
  return shared && deriveKey(shared, salt, bound('shares', session, from, to), keyBytes);
}

/** The same for both, whoever asks; of the two public keys too (RFC 7748 §6.1). */
export function pairMaskKey(
  { deriveKey }: Cryptography,
  session: SecureSession,
  exchange: KeyExchange,
  own: NamedKeys,
  peer: NamedKeys,
): Uint8Array | undefined {
  const shared = exchange.agree(peer.maskKey);
  const [low, high] = own.client < peer.client ? [own, peer] : [peer, own];
  const info = bound('pair-mask', session, low.client, high.client, low.maskKey, high.maskKey);
  return shared && deriveKey(shared, salt, info, keyBytes);
}

export const selfMaskKey = (
  { deriveKey }: Cryptography,
  session: SecureSession,
  client: string,
  seed: Uint8Array,
): Uint8Array => deriveKey(seed, salt, bound('self-mask', session, client), keyBytes);

export const seedCommitment = (
  { deriveKey }: Cryptography,
  session: SecureSession,
  client: string,
  seed: Uint8Array,
): Uint8Array => deriveKey(seed, salt, bound('commitment', session, client), keyBytes);

/** Of a pair the one adds the mask that the other takes away. */
export const maskSign = (client: string, peer: string): 1 | -1 => (client < peer ? 1 : -1);
