// The server’s side of secure aggregation: a pure state machine that collects each stage’s replies and, when the round’s
// shell closes a stage, says what goes out next. Who falls silent at a stage is not asked again, and each set is a part of
// the one before it:
//
//   keys ─► shares ─► input ─► consistency ─► unmask ─► recover-masks.ts
//   U1      U2        U3       U4             U5          only U2∖U3 are dead: pairwise masks span U2 alone
//
// The state is plain data without any vector, so that a coordinator that was killed goes on where it was; the masked vectors
// are the blobs that came, and are added when they are wanted. It holds no secret of any client until U5 has answered.

import { assert, err, type Failure, failure, ok, type Result } from '@skerry/shared';
import { type Cryptography, keyBytes, type RoundVerifier } from './cryptography.ts';
import { maskedBytes } from './masked-words.ts';
import {
  type Box,
  decodeFromClient,
  encodeFromServer,
  type FromClient,
  type FromClientAt,
  type Member,
  type Shared,
  type Signed,
} from './secure-messages.ts';
import {
  encodeSecurePlan,
  type SecurePlan,
  type SecureSession,
  thresholdOf,
} from './secure-plan.ts';
import { keysTranscript, survivorsTranscript } from './transcript.ts';

interface Invitation {
  readonly session: SecureSession;
  readonly plan: SecurePlan;
  /** In order, as every list here. */
  readonly invited: readonly string[];
}

export interface Dealt {
  readonly client: string;
  /** For each of the others. */
  readonly boxes: readonly Box[];
}

export interface Revealed {
  readonly client: string;
  readonly seeds: readonly Shared[];
  readonly maskKeys: readonly Shared[];
}

/** A stage is what the server waits for. */
export type ServerState =
  | (Invitation & { readonly stage: 'keys'; readonly members: readonly Member[] })
  | (Invitation & {
      readonly stage: 'shares';
      /** U1 */
      readonly members: readonly Member[];
      readonly dealt: readonly Dealt[];
    })
  | (Invitation & {
      readonly stage: 'input';
      readonly members: readonly Member[];
      /** U2 */
      readonly dealt: readonly Dealt[];
      readonly masked: readonly string[];
    })
  | (Invitation & {
      readonly stage: 'consistency';
      readonly members: readonly Member[];
      /** U2, by name. */
      readonly dealers: readonly string[];
      /** U3 */
      readonly survivors: readonly string[];
      readonly signatures: readonly Signed[];
    })
  | (Invitation & {
      readonly stage: 'unmask';
      readonly members: readonly Member[];
      readonly dealers: readonly string[];
      readonly survivors: readonly string[];
      /** U4 */
      readonly signatures: readonly Signed[];
      /** U5 */
      readonly revealed: readonly Revealed[];
    });

export type ServerAt<S extends ServerState['stage']> = Extract<ServerState, { stage: S }>;

export interface ServerPorts {
  readonly cryptography: Cryptography;
  readonly verifier: RoundVerifier;
}

/** Fails with `invalid_argument` for more clients than the plan’s, fewer than could open a sum, or a name twice. */
export function openSecureRound(
  session: SecureSession,
  plan: SecurePlan,
  clients: readonly string[],
): Result<ServerState> {
  const invited = [...new Set(clients)].sort();
  if (invited.length < clients.length) return err(invalid('a client is named twice'));
  if (invited.length > plan.clientsMax || invited.length < plan.thresholdMin)
    return err(
      invalid(`${invited.length} clients, expected ${plan.thresholdMin} to ${plan.clientsMax}`),
    );
  return ok({ stage: 'keys', session, plan, invited, members: [] });
}

/** Whose reply this stage awaits, and has not yet. */
export function awaitedClients(state: ServerState): readonly string[] {
  const here = new Set(answeredClients(state));
  return askedClients(state).filter((client) => !here.has(client));
}

/** Whom this stage asks: those who have answered the one before. */
export function askedClients(state: ServerState): readonly string[] {
  switch (state.stage) {
    case 'keys':
      return state.invited;
    case 'shares':
      return state.members.map(clientOf);
    case 'input':
      return state.dealt.map(clientOf);
    case 'consistency':
      return state.survivors;
    case 'unmask':
      return state.signatures.map(clientOf);
  }
}

export function answeredClients(state: ServerState): readonly string[] {
  switch (state.stage) {
    case 'keys':
      return state.members.map(clientOf);
    case 'shares':
      return state.dealt.map(clientOf);
    case 'input':
      return state.masked;
    case 'consistency':
      return state.signatures.map(clientOf);
    case 'unmask':
      return state.revealed.map(clientOf);
  }
}

/** How many must answer this stage, else the attempt is over. */
export function neededClients(state: ServerState): number {
  return state.stage === 'keys'
    ? state.plan.thresholdMin
    : thresholdOf(state.members.length, state.plan);
}

/** What a client is told at this stage; the same each time, also after a restart. `undefined` for who is not asked. */
export function wordsFor(state: ServerState, client: string): Uint8Array | undefined {
  if (!askedClients(state).includes(client)) return undefined;
  const { session } = state;
  switch (state.stage) {
    case 'keys':
      return encodeSecurePlan(state.plan);
    case 'shares':
      return encodeFromServer(session, { stage: 'shares', members: [...state.members] });
    case 'input': {
      const boxes = state.dealt.flatMap((dealt) => {
        const box = dealt.boxes.find((to) => to.client === client)?.box;
        return box === undefined ? [] : [{ client: dealt.client, box }];
      });
      return encodeFromServer(session, { stage: 'input', boxes });
    }
    case 'consistency':
      return encodeFromServer(session, { stage: 'consistency', survivors: [...state.survivors] });
    case 'unmask':
      return encodeFromServer(session, { stage: 'unmask', signatures: [...state.signatures] });
  }
}

/**
 * Takes one client’s words. Fails and changes nothing with `expired` for another attempt’s, `invalid_argument` for who is
 * not asked or has said something else before, `untrusted` for a signature that is not its own. A repeated reply changes
 * nothing either.
 */
export function takeFromClient(
  state: ServerState,
  client: string,
  bytes: Uint8Array,
  ports: ServerPorts,
): Result<ServerState> {
  const decoded = decodeFromClient(bytes, state.session, maskedBytes(state.plan));
  if (!decoded.ok) return decoded;
  const words = decoded.value;
  if (words.stage !== state.stage)
    return err(invalid(`${client} answers ${words.stage} at ${state.stage}`));
  if (!askedClients(state).includes(client)) return err(invalid(`${client} was not asked`));
  // The first word counts: what came before may already be with others.
  if (answeredClients(state).includes(client)) return ok(state);
  return take(state, client, words, ports);
}

function take(
  state: ServerState,
  client: string,
  words: FromClient,
  ports: ServerPorts,
): Result<ServerState> {
  if (state.stage === 'keys' && words.stage === 'keys')
    return takeKeys(state, client, words, ports);
  if (state.stage === 'shares' && words.stage === 'shares') return takeShares(state, client, words);
  if (state.stage === 'input' && words.stage === 'input') {
    if (words.vector.length !== maskedBytes(state.plan))
      return err(invalid(`a masked vector of ${words.vector.length} bytes`));
    return ok({ ...state, masked: [...state.masked, client].sort() });
  }
  if (state.stage === 'consistency' && words.stage === 'consistency')
    return takeSignature(state, client, words, ports);
  assert(state.stage === 'unmask' && words.stage === 'unmask', 'words of the stage');
  return takeReveal(state, client, words);
}

function takeKeys(
  state: ServerAt<'keys'>,
  client: string,
  words: FromClientAt<'keys'>,
  { cryptography, verifier }: ServerPorts,
): Result<ServerState> {
  const { channelKey, maskKey, commitment, credential, signature } = words;
  const member: Member = { client, channelKey, maskKey, commitment, credential, signature };
  const transcript = keysTranscript(state.session, state.plan, member);
  if (!verifier.verify(client, credential, transcript, signature))
    return err(failure('untrusted', `the keys of ${client} are not signed by it`));
  // One such key would make every other client refuse: it must not get among theirs.
  const probe = cryptography.keyExchange(cryptography.randomBytes(keyBytes));
  if ([channelKey, maskKey].some((key) => probe.agree(key) === undefined))
    return err(invalid(`${client} shows a key of low order`));
  return ok({ ...state, members: [...state.members, member].sort(byClient) });
}

function takeShares(
  state: ServerAt<'shares'>,
  client: string,
  { boxes }: FromClientAt<'shares'>,
): Result<ServerState> {
  const others = state.members.map(clientOf).filter((other) => other !== client);
  if (!sameNames(boxes.map(clientOf), others))
    return err(invalid(`${client} has not dealt a share to each of the others`));
  return ok({ ...state, dealt: [...state.dealt, { client, boxes }].sort(byClient) });
}

function takeSignature(
  state: ServerAt<'consistency'>,
  client: string,
  { signature }: FromClientAt<'consistency'>,
  { verifier }: ServerPorts,
): Result<ServerState> {
  const credential = state.members.find((member) => member.client === client)?.credential;
  const list = survivorsTranscript(state.session, state.survivors);
  if (credential === undefined || !verifier.verify(client, credential, list, signature))
    return err(failure('untrusted', `${client} has not signed this list of survivors`));
  return ok({ ...state, signatures: [...state.signatures, { client, signature }].sort(byClient) });
}

function takeReveal(
  state: ServerAt<'unmask'>,
  client: string,
  { seeds, maskKeys }: FromClientAt<'unmask'>,
): Result<ServerState> {
  const alive = new Set(state.survivors);
  const dead = new Set(state.dealers.filter((dealer) => !alive.has(dealer)));
  // A share that this client could not read is missing; one that nobody asked for is a secret that must not be here.
  if (seeds.some((of) => !alive.has(of.client)) || maskKeys.some((of) => !dead.has(of.client)))
    return err(invalid(`${client} reveals what it was not asked for`));
  return ok({
    ...state,
    revealed: [...state.revealed, { client, seeds, maskKeys }].sort(byClient),
  });
}

/**
 * Closes the stage with whom it has: the next one’s questions can go out. Fails with `unavailable` where those are fewer
 * than the threshold, and the attempt is over. [SEC8]
 */
export function closeStage(state: ServerState): Result<ServerState> {
  const answered = answeredClients(state);
  const { session, plan, invited } = state;
  const invitation = { session, plan, invited };
  const needed = state.stage === 'keys' ? thresholdOf(answered.length, plan) : neededClients(state);
  if (answered.length < needed)
    return err(tooFew(`${answered.length} clients at ${state.stage}, ${needed} are needed`));
  switch (state.stage) {
    case 'keys':
      return ok({ ...invitation, stage: 'shares', members: state.members, dealt: [] });
    case 'shares': {
      const { members, dealt } = state;
      return ok({ ...invitation, stage: 'input', members, dealt, masked: [] });
    }
    case 'input': {
      const { members, dealt, masked } = state;
      const dealers = dealt.map(clientOf);
      const common = { ...invitation, members, dealers, survivors: masked };
      return ok({ ...common, stage: 'consistency', signatures: [] });
    }
    case 'consistency': {
      const { members, dealers, survivors, signatures } = state;
      const common = { ...invitation, members, dealers, survivors };
      return ok({ ...common, stage: 'unmask', signatures, revealed: [] });
    }
    case 'unmask':
      return err(invalid('unmask is the last stage'));
  }
}

const clientOf = ({ client }: { readonly client: string }): string => client;
const byClient = (a: { client: string }, b: { client: string }): number =>
  a.client < b.client ? -1 : 1;
const sameNames = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((name, i) => name === b[i]);
const invalid = (why: string): Failure => failure('invalid_argument', why);
export const tooFew = (why: string): Failure => failure('unavailable', why);
