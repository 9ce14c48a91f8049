// A client’s side of secure aggregation (Bonawitz et al., CCS 2017): a state machine that answers each stage once. It
// believes of the server only what the other clients have signed, and a lie that it notices ends its part for good.
//
//   joined ──shares──► shared ──input──► masked ──consistency──► signed ──unmask──► revealed
//      └───────────────────┴── what must not be ──┴────────────────────┴─────► refused

import { err, type Failure, failure, ok, type Result } from '@skerry/shared';
import { type Answer, dealShares, maskInput, revealShares, signSurvivors } from './answer-stage.ts';
import type { ClientPorts, ClientState, Secrets, SecurePolicy } from './client-state.ts';
import { keyBytes } from './cryptography.ts';
import { decodeFromServer, encodeFromClient, type FromServer } from './secure-messages.ts';
import { type SecurePlan, type SecureSession, securePlanSchema } from './secure-plan.ts';
import { keysTranscript, type NamedKeys, seedCommitment } from './transcript.ts';

export interface ClientStep {
  readonly state: ClientState;
  readonly reply: Result<Uint8Array>;
}

/** Makes this attempt’s keys. Fails with `permission_denied` for a plan that the policy does not allow. */
export function joinSecureRound(
  client: string,
  session: SecureSession,
  plan: SecurePlan,
  policy: SecurePolicy,
  { cryptography, signer }: Pick<ClientPorts, 'cryptography' | 'signer'>,
): Result<{ state: ClientState; reply: Uint8Array }> {
  if (!securePlanSchema.safeParse(plan).success)
    return err(failure('invalid_argument', 'no plan of a masked round'));
  if (plan.thresholdMin < policy.thresholdMin)
    return err(denied(`a sum of ${plan.thresholdMin}, at least ${policy.thresholdMin} are wanted`));
  if (policy.adversary === 'active' && plan.adversary === 'curious')
    return err(denied('the plan trusts the server to keep to the protocol'));
  const secrets: Secrets = {
    channel: cryptography.randomBytes(keyBytes),
    mask: cryptography.randomBytes(keyBytes),
    seed: cryptography.randomBytes(keyBytes),
  };
  const keys: NamedKeys = {
    client,
    channelKey: cryptography.keyExchange(secrets.channel).publicKey(),
    maskKey: cryptography.keyExchange(secrets.mask).publicKey(),
    commitment: seedCommitment(cryptography, session, client, secrets.seed),
  };
  const { channelKey, maskKey, commitment } = keys;
  const signature = signer.sign(keysTranscript(session, plan, keys));
  const { credential } = signer;
  const reply = encodeFromClient(session, {
    stage: 'keys',
    channelKey,
    maskKey,
    commitment,
    credential,
    signature,
  });
  return ok({ state: { stage: 'joined', session, plan, keys, secrets }, reply });
}

/** `input` is a quantised update, needed at that stage alone. A reply that fails with `untrusted` is the last: `refused`. */
export function takeFromServer(
  state: ClientState,
  bytes: Uint8Array,
  ports: ClientPorts,
  input?: Uint32Array,
): ClientStep {
  const stay = (reason: Failure): ClientStep => ({ state, reply: err(reason) });
  const message = decodeFromServer(bytes, state.session);
  if (!message.ok) return stay(message.error);
  if (state.stage === 'refused') return stay(state.reason);
  const answered = answer(state, message.value, ports, input);
  if (answered.ok) return { state: answered.value.state, reply: ok(answered.value.reply) };
  const { error } = answered;
  if (error.code !== 'untrusted') return stay(error);
  const { session, plan, keys } = state;
  return { state: { stage: 'refused', session, plan, keys, reason: error }, reply: err(error) };
}

function answer(
  state: Exclude<ClientState, { stage: 'refused' }>,
  message: FromServer,
  ports: ClientPorts,
  input: Uint32Array | undefined,
): Answer {
  if (state.stage === 'joined' && message.stage === 'shares')
    return dealShares(state, message, ports);
  if (state.stage === 'shared' && message.stage === 'input')
    return maskInput(state, message, ports, input);
  if (state.stage === 'masked' && message.stage === 'consistency')
    return signSurvivors(state, message, ports);
  if (state.stage === 'signed' && message.stage === 'unmask')
    return revealShares(state, message, ports);
  // Each stage is answered once: a second list is a way to learn what one alone does not tell. [SEC5]
  return err(failure('invalid_argument', `asked for ${message.stage} when ${state.stage}`));
}

const denied = (why: string): Failure => failure('permission_denied', why);
