// A client’s answer to each stage, and why it refuses one: what the server says is believed as far as the other clients have
// signed it.

import { err, type Failure, failure, ok, type Result } from '@skerry/shared';
import type { At, ClientPorts, ClientState, HeldShares, Own } from './client-state.ts';
import type { RoundVerifier } from './cryptography.ts';
import { addMask, packWords, wordsOfPlan } from './masked-words.ts';
import {
  type Box,
  encodeFromClient,
  type FromServerAt,
  type Member,
  type Shared,
  shareBytes,
} from './secure-messages.ts';
import { thresholdOf } from './secure-plan.ts';
import { type Share, splitSecret } from './shamir.ts';
import {
  boxKey,
  boxTranscript,
  keysTranscript,
  maskSign,
  type NamedKeys,
  pairMaskKey,
  selfMaskKey,
  survivorsTranscript,
} from './transcript.ts';

export type Answer = Result<{ state: ClientState; reply: Uint8Array }>;

export function dealShares(
  state: At<'joined'>,
  { members }: FromServerAt<'shares'>,
  { cryptography, verifier }: ClientPorts,
): Answer {
  const { session, plan, keys, secrets } = state;
  const refusal = whyNoMembers(state, members, verifier);
  if (refusal !== undefined) return err(untrusted(refusal));
  const { randomBytes } = cryptography;
  const channel = cryptography.keyExchange(secrets.channel);
  const threshold = thresholdOf(members.length, plan);
  const seeds = splitSecret(secrets.seed, members.length, threshold, randomBytes);
  const maskKeys = splitSecret(secrets.mask, members.length, threshold, randomBytes);
  const boxes: Box[] = [];
  let held: HeldShares | undefined;
  for (const [i, peer] of members.entries()) {
    const shares = { seed: bytesOf(seeds[i]), maskKey: bytesOf(maskKeys[i]) };
    if (peer.client === keys.client) {
      held = shares;
      continue;
    }
    const way = [keys.client, peer.client] as const;
    const key = boxKey(cryptography, session, channel, peer.channelKey, way);
    if (key === undefined) return err(untrusted(`${peer.client} shows a key of low order`));
    const plaintext = new Uint8Array(2 * shareBytes);
    plaintext.set(shares.seed);
    plaintext.set(shares.maskKey, shareBytes);
    const box = cryptography.seal(key, plaintext, boxTranscript(session, ...way));
    boxes.push({ client: peer.client, box });
  }
  if (held === undefined) return err(untrusted('this client is not among the clients'));
  return ok({
    state: { stage: 'shared', session, plan, keys, secrets, members, held },
    reply: encodeFromClient(session, { stage: 'shares', boxes }),
  });
}

/** [SEC6] [SEC7] */
function whyNoMembers(
  { session, plan, keys }: Own,
  members: readonly Member[],
  verifier: RoundVerifier,
): string | undefined {
  if (members.length > plan.clientsMax) return `${members.length} clients, more than planned`;
  if (members.length < thresholdOf(members.length, plan)) return `${members.length} are too few`;
  const own = members.find(({ client }) => client === keys.client);
  if (own === undefined || !sameKeys(own, keys)) return 'its own keys are not among the clients’';
  const shown = new Set(members.flatMap((m) => [hex(m.channelKey), hex(m.maskKey)]));
  if (shown.size !== 2 * members.length) return 'a key is shown twice';
  const unsigned = members.find((member) => {
    const { client, credential, signature } = member;
    return !verifier.verify(client, credential, keysTranscript(session, plan, member), signature);
  });
  return unsigned && `the keys of ${unsigned.client} are not signed by it`;
}

export function maskInput(
  state: At<'shared'>,
  { boxes }: FromServerAt<'input'>,
  { cryptography }: ClientPorts,
  input: Uint32Array | undefined,
): Answer {
  const { session, plan, keys, secrets, members, held } = state;
  const dealers = boxes.map(({ client }) => client);
  const refusal = whyNoDealers(state, dealers);
  if (refusal !== undefined) return err(untrusted(refusal));
  if (input?.length !== wordsOfPlan(plan))
    return err(failure('invalid_argument', 'expected an update of the plan’s length'));

  const all = new Map<string, HeldShares | undefined>([[keys.client, held]]);
  const words = input.slice();
  const channel = cryptography.keyExchange(secrets.channel);
  const mask = cryptography.keyExchange(secrets.mask);
  for (const { client, box } of boxes) {
    const peer = members.find((member) => member.client === client) as Member;
    const way = [client, keys.client] as const;
    const boxed = boxKey(cryptography, session, channel, peer.channelKey, way);
    const pair = pairMaskKey(cryptography, session, mask, keys, peer);
    if (boxed === undefined || pair === undefined)
      return err(untrusted(`${client} shows a key of low order`));
    const opened = cryptography.open(boxed, box, boxTranscript(session, ...way));
    // A share that nobody can read costs that share, not the round: others hold the rest.
    all.set(
      client,
      opened && { seed: opened.slice(0, shareBytes), maskKey: opened.slice(shareBytes) },
    );
    addMask(words, pair, maskSign(keys.client, client), cryptography);
  }
  const self = selfMaskKey(cryptography, session, keys.client, secrets.seed);
  addMask(words, self, 1, cryptography);
  return ok({
    state: { stage: 'masked', session, plan, keys, members, held: all },
    reply: encodeFromClient(session, { stage: 'input', vector: packWords(words, plan.ringBits) }),
  });
}

function whyNoDealers(
  { plan, keys, members }: At<'shared'>,
  dealers: readonly string[],
): string | undefined {
  const known = new Set(members.map(({ client }) => client));
  if (dealers.includes(keys.client)) return 'it is said to have dealt a share to itself';
  const stranger = dealers.find((client) => !known.has(client));
  if (stranger !== undefined) return `${stranger} is none of the clients`;
  const threshold = thresholdOf(members.length, plan);
  if (dealers.length + 1 < threshold) return `${dealers.length + 1} of ${threshold} have dealt`;
  return undefined;
}

export function signSurvivors(
  state: At<'masked'>,
  { survivors }: FromServerAt<'consistency'>,
  { signer }: ClientPorts,
): Answer {
  const { session, plan, keys, members, held } = state;
  const stranger = survivors.find((client) => !held.has(client));
  if (stranger !== undefined) return err(untrusted(`${stranger} has dealt no shares, or is dead`));
  if (!survivors.includes(keys.client)) return err(untrusted('it is said to be dead'));
  const threshold = thresholdOf(members.length, plan);
  if (survivors.length < threshold)
    return err(untrusted(`a sum of ${survivors.length}, ${threshold} are needed`));
  const signature = signer.sign(survivorsTranscript(session, survivors));
  return ok({
    state: { stage: 'signed', session, plan, keys, members, held, survivors },
    reply: encodeFromClient(session, { stage: 'consistency', signature }),
  });
}

export function revealShares(
  state: At<'signed'>,
  { signatures }: FromServerAt<'unmask'>,
  { verifier }: ClientPorts,
): Answer {
  const { session, plan, keys, members, held, survivors } = state;
  const threshold = thresholdOf(members.length, plan);
  if (signatures.length < threshold)
    return err(untrusted(`${signatures.length} have signed, ${threshold} are needed`));
  const list = survivorsTranscript(session, survivors);
  const credentials = new Map(members.map(({ client, credential }) => [client, credential]));
  for (const { client, signature } of signatures) {
    const credential = credentials.get(client);
    if (credential === undefined || !survivors.includes(client))
      return err(untrusted(`${client} is no survivor`));
    if (!verifier.verify(client, credential, list, signature))
      return err(untrusted(`${client} has signed another list of survivors`));
  }
  // Of a survivor the seed alone, of who died before its vector came the mask key alone: never both. [SEC4]
  const alive = new Set(survivors);
  const seeds: Shared[] = [];
  const maskKeys: Shared[] = [];
  for (const client of [...held.keys()].sort()) {
    const shares = held.get(client);
    if (shares === undefined) continue;
    if (alive.has(client)) seeds.push({ client, share: shares.seed });
    else maskKeys.push({ client, share: shares.maskKey });
  }
  return ok({
    state: { stage: 'revealed', session, plan, keys },
    reply: encodeFromClient(session, { stage: 'unmask', seeds, maskKeys }),
  });
}

const bytesOf = (share: Share | undefined): Uint8Array => {
  const bytes = new Uint8Array(shareBytes);
  const view = new DataView(bytes.buffer);
  for (const [w, word] of (share?.words ?? []).entries()) view.setUint32(w * 4, word, true);
  return bytes;
};

const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => hex(a) === hex(b);

const sameKeys = (a: NamedKeys, b: NamedKeys): boolean =>
  sameBytes(a.channelKey, b.channelKey) &&
  sameBytes(a.maskKey, b.maskKey) &&
  sameBytes(a.commitment, b.commitment);

const untrusted = (why: string): Failure => failure('untrusted', why);
