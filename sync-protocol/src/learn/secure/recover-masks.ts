// The end of a masked round at the server: from the revealed shares to the masks that are left in the sum, and from the
// unmasked sum to the mean. What is to be done is data first, for it is long work at a large model: n + dead·n masks of the
// whole vector, which the shell takes in steps or gives to other threads.

import { err, failure, ok, type Result } from '@skerry/shared';
import { type Cryptography, keyBytes } from './cryptography.ts';
import { addMask, addPacked, maskedBytes, wordsOfPlan } from './masked-words.ts';
import { dequantiseSum, type SecureAggregate } from './quantise-input.ts';
import { decodeFromClient, type Member } from './secure-messages.ts';
import {
  neededClients,
  type Revealed,
  type ServerAt,
  type ServerState,
  tooFew,
} from './secure-server.ts';
import { recoverSecret, type Share } from './shamir.ts';
import { maskSign, pairMaskKey, seedCommitment, selfMaskKey } from './transcript.ts';

/** One to take out of the sum: `sign` is what to add it with. */
export interface LeftMask {
  readonly key: Uint8Array;
  readonly sign: 1 | -1;
}

export interface RecoveredMasks {
  readonly masks: readonly LeftMask[];
  /** Clients whose shares were false, as far as it showed. */
  readonly liars: readonly string[];
}

/**
 * Fails with `unavailable` where fewer than the threshold have answered, or where a secret cannot be put together: its
 * message names whose, and the next attempt should leave that client out. [SEC8]
 */
export function recoverMasks(
  state: ServerAt<'unmask'>,
  cryptography: Cryptography,
): Result<RecoveredMasks> {
  const { session, members, survivors, dealers, revealed } = state;
  const threshold = neededClients(state);
  if (revealed.length < threshold)
    return err(tooFew(`${revealed.length} clients at unmask, ${threshold} are needed`));
  const memberOf = new Map(members.map((member) => [member.client, member]));
  const liars = new Set<string>();
  const alive = new Set(survivors);
  const masks: LeftMask[] = [];

  const secretOf = (
    client: string,
    kind: 'seeds' | 'maskKeys',
    accept: (secret: Uint8Array) => boolean,
  ): Result<Uint8Array> => {
    const shares = sharesOf(members, revealed, client, kind);
    const recovered = recoverSecret(shares, threshold, keyBytes, accept);
    if (recovered === undefined)
      return err(tooFew(`${shares.length} shares of ${client}’s do not open its secret`));
    for (const x of recovered.wrong) liars.add(members[x - 1]?.client ?? '');
    return ok(recovered.secret);
  };

  for (const client of survivors) {
    const { commitment } = memberOf.get(client) as Member;
    const seed = secretOf(client, 'seeds', (secret) =>
      sameBytes(seedCommitment(cryptography, session, client, secret), commitment),
    );
    if (!seed.ok) return seed;
    masks.push({ key: selfMaskKey(cryptography, session, client, seed.value), sign: -1 });
  }
  for (const dead of dealers.filter((dealer) => !alive.has(dealer))) {
    const member = memberOf.get(dead) as Member;
    const secret = secretOf(dead, 'maskKeys', (candidate) =>
      sameBytes(cryptography.keyExchange(candidate).publicKey(), member.maskKey),
    );
    if (!secret.ok) return secret;
    const exchange = cryptography.keyExchange(secret.value);
    for (const client of survivors) {
      const peer = memberOf.get(client) as Member;
      const key = pairMaskKey(cryptography, session, exchange, member, peer);
      if (key === undefined) return err(tooFew(`${client} shows a key of low order`));
      masks.push({ key, sign: maskSign(dead, client) }); // It adds what the survivor took away.
    }
  }
  return ok({ masks, liars: [...liars].sort() });
}

function sharesOf(
  members: readonly Member[],
  revealed: readonly Revealed[],
  client: string,
  kind: 'seeds' | 'maskKeys',
): Share[] {
  return revealed.flatMap((from) => {
    const share = from[kind].find((of) => of.client === client)?.share;
    if (share === undefined) return [];
    const x = members.findIndex((member) => member.client === from.client) + 1;
    const view = new DataView(share.buffer, share.byteOffset, share.byteLength);
    const words = Uint32Array.from({ length: share.length / 4 }, (_, w) =>
      view.getUint32(w * 4, true),
    );
    return [{ x, words }];
  });
}

/** Nothing but zeros: the masked vectors of all survivors are added to it, each once, as soon as each was taken. */
export const createSum = ({ plan }: ServerState): Uint32Array => new Uint32Array(wordsOfPlan(plan));

/** Adds a survivor’s reply of the stage `input`, as it came. */
export function addMaskedInput(
  { session, plan }: ServerState,
  sum: Uint32Array,
  bytes: Uint8Array,
): Result<void> {
  const words = decodeFromClient(bytes, session, maskedBytes(plan));
  if (!words.ok) return words;
  if (words.value.stage !== 'input')
    return err(failure('invalid_argument', `expected a masked vector, got ${words.value.stage}`));
  return addPacked(sum, words.value.vector, plan);
}

/** All of it in one go: for small vectors, and as what the steps come to. `inputs` are the survivors' replies, as they came. */
export function openAggregate(
  state: ServerAt<'unmask'>,
  inputs: ReadonlyMap<string, Uint8Array>,
  cryptography: Cryptography,
): Result<SecureAggregate> {
  const recovered = recoverMasks(state, cryptography);
  if (!recovered.ok) return recovered;
  const sum = createSum(state);
  for (const client of state.survivors) {
    const bytes = inputs.get(client);
    if (bytes === undefined)
      return err(failure('invalid_argument', `the vector of ${client} is missing`));
    const added = addMaskedInput(state, sum, bytes);
    if (!added.ok) return added;
  }
  for (const { key, sign } of recovered.value.masks) addMask(sum, key, sign, cryptography);
  return dequantiseSum(state.plan, sum, state.survivors.length);
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i]);
