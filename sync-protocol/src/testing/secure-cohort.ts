// Clients and a server of secure aggregation in one process, with real cryptography: a round is played stage by stage,
// clients fall silent where they are told to, and the server is stored and read back between any two words.

import { generateKeyPairSync } from 'node:crypto';
import { assert, ok, type Result } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import { type SecureStage, secureStages } from '../learn/messages.ts';
import type { ClientPorts, SecurePolicy } from '../learn/secure/client-state.ts';
import type { Cryptography, RoundVerifier } from '../learn/secure/cryptography.ts';
import { quantiseInput, type SecureAggregate } from '../learn/secure/quantise-input.ts';
import { openAggregate } from '../learn/secure/recover-masks.ts';
import {
  createMemoryOpenedRounds,
  createSecureParticipant,
  type SecureParticipant,
} from '../learn/secure/secure-participant.ts';
import {
  type GridEncoding,
  gridEncoding,
  type SecurePlan,
  type SecureSession,
} from '../learn/secure/secure-plan.ts';
import {
  awaitedClients,
  closeStage,
  openSecureRound,
  type ServerAt,
  type ServerState,
  takeFromClient,
  wordsFor,
} from '../learn/secure/secure-server.ts';
import { decodeServerState, encodeServerState } from '../learn/secure/stored-round.ts';
import { createNodeCryptography } from '../node/node-cryptography.ts';
import { createEd25519Signer, createEd25519Verifier } from '../node/round-signers.ts';

/** Of a grid; what is not named is small. */
export function sampleSecurePlan(
  over: Partial<Omit<SecurePlan, 'encoding'> & Omit<GridEncoding, 'kind'>> = {},
): SecurePlan & { readonly encoding: GridEncoding } {
  const { range = 2, levels, weightMax = 10, examplesPerWeight = 10, ...plan } = over;
  const { clientsMax = 6, ringBits = 32, examplesMax = 1_000 } = plan;
  const grid = gridEncoding({ range, weightMax, examplesMax }, { clientsMax, ringBits });
  const encoding = { ...grid, examplesPerWeight, levels: levels ?? Math.min(2 ** 16, grid.levels) };
  return {
    version: 1,
    adversary: 'curious',
    thresholdMin: 2,
    clientsMax,
    values: 8,
    encoding,
    examplesMax,
    ringBits,
    ...plan,
  };
}

export const sampleSession = (over: Partial<SecureSession> = {}): SecureSession => ({
  run: 'run-1',
  round: 3,
  attempt: 1,
  ...over,
});

/** Of one device, over its attempts. */
export interface CohortMember {
  readonly name: string;
  readonly ports: ClientPorts;
  readonly participant: SecureParticipant;
}

export interface SecureCohort {
  readonly cryptography: Cryptography;
  readonly verifier: RoundVerifier;
  readonly members: ReadonlyMap<string, CohortMember>;
}

/** Of so many, or of these. */
export function createSecureCohort(
  clients: number | readonly string[],
  policy: SecurePolicy = { thresholdMin: 2, adversary: 'curious' },
): SecureCohort {
  const cryptography = createNodeCryptography();
  const names =
    typeof clients === 'number'
      ? Array.from({ length: clients }, (_, i) => `c${String(i).padStart(2, '0')}`)
      : clients;
  const signers = new Map(
    names.map((name) => [name, createEd25519Signer(generateKeyPairSync('ed25519').privateKey)]),
  );
  const verifier = createEd25519Verifier((client) => signers.get(client)?.credential);
  const members = names.map((name): [string, CohortMember] => {
    const signer = signers.get(name);
    assert(signer !== undefined, 'each has a signer');
    const ports: ClientPorts = { cryptography, signer, verifier };
    const opened = createMemoryOpenedRounds();
    const participant = createSecureParticipant(name, policy, { ...ports, opened });
    return [name, { name, ports, participant }];
  });
  return { cryptography, verifier, members: new Map(members) };
}

export interface PlayedRound {
  readonly state: ServerState;
  /** What survivors sent at the stage `input`, as it came. */
  readonly inputs: ReadonlyMap<string, Uint8Array>;
  /** What went over the wire: bytes by stage, down and up, over all clients. */
  readonly bytes: Readonly<Record<SecureStage, { down: number; up: number }>>;
}

export interface RoundScript {
  readonly session: SecureSession;
  readonly plan: SecurePlan;
  /** Quantised updates, by client. */
  readonly inputs: ReadonlyMap<string, Uint32Array>;
  /** The stage at which a client is not heard any more. */
  readonly silentFrom?: ReadonlyMap<string, SecureStage>;
  /** An attempt that its server gives up before this stage. */
  readonly stopBefore?: SecureStage;
}

/** Plays an attempt until the shares have come, or fails where the server would give it up. */
export function playSecureRound(cohort: SecureCohort, script: RoundScript): Result<PlayedRound> {
  const { session, plan, inputs, silentFrom = new Map(), stopBefore } = script;
  const sent = new Map<string, Uint8Array>();
  const bytes = Object.fromEntries(
    secureStages.map((stage) => [stage, { down: 0, up: 0 }]),
  ) as Record<SecureStage, { down: number; up: number }>;
  const opened = openSecureRound(session, plan, [...cohort.members.keys()]);
  if (!opened.ok) return opened;
  let state = opened.value;
  const silent = (client: string, stage: SecureStage): boolean => {
    const from = silentFrom.get(client);
    return from !== undefined && secureStages.indexOf(stage) >= secureStages.indexOf(from);
  };

  for (const stage of secureStages) {
    if (stage === stopBefore) break;
    assert(state.stage === stage, 'stages come in order');
    for (const client of awaitedClients(state)) {
      const member = cohort.members.get(client);
      const words = wordsFor(state, client);
      assert(member !== undefined && words !== undefined, 'whom it asks it tells something');
      bytes[stage].down += words.length;
      if (silent(client, stage) && stage !== 'input') continue;
      const reply =
        stage === 'keys'
          ? member.participant.join(session, plan)
          : member.participant.take(session, words, inputs.get(client));
      if (!reply.ok) return reply;
      if (silent(client, stage)) continue; // It has masked its vector, which nobody gets.
      bytes[stage].up += reply.value.length;
      if (stage === 'input') sent.set(client, reply.value);
      const taken = takeFromClient(state, client, reply.value, cohort);
      if (!taken.ok) return taken;
      state = taken.value;
    }
    if (state.stage === 'unmask') break;
    const closed = closeStage(unwrap(decodeServerState(encodeServerState(state))));
    if (!closed.ok) return closed;
    state = unwrap(decodeServerState(encodeServerState(closed.value)));
  }
  return ok({ state, inputs: sent, bytes });
}

export function openPlayedRound(
  cohort: SecureCohort,
  { state, inputs }: PlayedRound,
): Result<SecureAggregate> {
  assert(state.stage === 'unmask', 'played to its end');
  return openAggregate(state as ServerAt<'unmask'>, inputs, cohort.cryptography);
}

/** A client’s update, quantised, from what `valueAt` says. */
export function sampleInput(
  { cryptography }: SecureCohort,
  plan: SecurePlan,
  examples: number,
  valueAt: (i: number) => number,
): Uint32Array {
  const update = Float32Array.from({ length: plan.values }, (_, i) => valueAt(i));
  return unwrap(quantiseInput(plan, update, examples, cryptography)).words;
}

/** What the sum must be, without a mask and without wrapping around: exact in doubles for what a plan allows. */
export function plainSum(inputs: readonly Uint32Array[]): number[] {
  return Array.from(inputs[0] ?? [], (_, i) =>
    inputs.reduce((sum, words) => sum + (words[i] as number), 0),
  );
}

/** As tests compare it. */
export const wordsOfSum = ({ weight, examples, sum }: SecureAggregate): number[] => [
  weight,
  examples,
  ...sum,
];
