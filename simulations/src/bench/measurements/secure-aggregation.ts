// One round of secure aggregation among so many clients, of whom some fall silent after they have shared their keys: what a
// client and the server compute, and what travels. The sum is checked against the plain one.

import { unwrap } from '@skerry/shared/testing';
import {
  addMask,
  addMaskedInput,
  askedClients,
  closeStage,
  createSum,
  dequantiseSum,
  gridEncoding,
  openSecureRound,
  quantiseInput,
  recoverMasks,
  type SecurePlan,
  type ServerState,
  takeFromClient,
  wordsFor,
} from '@skerry/sync-protocol/secure-aggregation';
import { createSecureCohort, sampleSession } from '@skerry/sync-protocol/testing';
import { median } from '../statistics.ts';

export interface SecureAggregationOptions {
  readonly values: number;
  readonly clients: number;
  readonly dropped: number;
}

export interface SecureAggregation {
  /** Of one client, the median: processor milliseconds, of which `quantiseMs` would be spent without masks too. */
  readonly clientMs: number;
  readonly quantiseMs: number;
  readonly clientBytesUp: number;
  readonly clientBytesDown: number;
  /** Of the server, in sum: of which `plainMs` would be spent without masks too. */
  readonly serverMs: number;
  readonly plainMs: number;
  readonly masks: number;
  readonly masksMs: number;
}

/** What this process has computed: other processes and waits do not count. */
function spent<T>(onto: (ms: number) => void, act: () => T): T {
  const before = process.cpuUsage();
  const result = act();
  const { user, system } = process.cpuUsage(before);
  onto((user + system) / 1000);
  return result;
}

interface Ledger {
  ms: number;
  quantiseMs: number;
  up: number;
  down: number;
}

export function secureAggregation(options: SecureAggregationOptions): SecureAggregation {
  const { values, clients, dropped } = options;
  const cohort = createSecureCohort(clients, { thresholdMin: 3, adversary: 'curious' });
  const plan = planOf(values, clients);
  const session = sampleSession();
  const silent = new Set([...cohort.members.keys()].slice(clients - dropped));
  const ledgers = new Map<string, Ledger>();
  const server = { ms: 0, plainMs: 0, masksMs: 0 };
  const onServer = <T>(act: () => T): T => spent((ms) => (server.ms += ms), act);
  const update = Float32Array.from({ length: values }, (_, i) => Math.sin(i) / 3);
  const plain = new Uint32Array(values + 2);
  let state: ServerState = unwrap(openSecureRound(session, plan, [...cohort.members.keys()]));
  const sum = createSum(state);

  const ask = (client: string): void => {
    const { participant, ports } = cohort.members.get(client) ?? fail();
    const ledger = ledgers.get(client) ?? { ms: 0, quantiseMs: 0, up: 0, down: 0 };
    ledgers.set(client, ledger);
    const { stage } = state;
    const words = onServer(() => wordsFor(state, client)) ?? fail();
    ledger.down += words.length;
    if (silent.has(client) && !['keys', 'shares'].includes(stage)) return;
    const { words: input } =
      stage === 'input'
        ? spent(
            (ms) => (ledger.quantiseMs += ms),
            () => unwrap(quantiseInput(plan, update, 300, ports.cryptography)),
          )
        : { words: undefined };
    const reply = spent(
      (ms) => (ledger.ms += ms),
      () =>
        unwrap(
          stage === 'keys'
            ? participant.join(session, plan)
            : participant.take(session, words, input),
        ),
    );
    ledger.up += reply.length;
    state = onServer(() => unwrap(takeFromClient(state, client, reply, cohort)));
    if (input === undefined) return;
    const onAdded = (ms: number): void => {
      server.plainMs += ms;
    };
    spent(onAdded, () => unwrap(addMaskedInput(state, sum, reply)));
    for (let i = 0; i < plain.length; i++) plain[i] = (plain[i] ?? 0) + (input[i] ?? 0);
  };
  for (;;) {
    for (const client of askedClients(state)) ask(client);
    if (state.stage === 'unmask') break;
    state = onServer(() => unwrap(closeStage(state)));
  }

  const { stage } = state;
  if (stage !== 'unmask') return fail();
  const last = state;
  const { masks } = onServer(() => unwrap(recoverMasks(last, cohort.cryptography)));
  spent(
    (ms) => (server.masksMs += ms),
    () => {
      for (const { key, sign } of masks) addMask(sum, key, sign, cohort.cryptography);
    },
  );
  if (!sum.every((word, i) => word === plain[i])) throw new Error('the sum is not the plain sum');
  unwrap(dequantiseSum(plan, sum, last.survivors.length));

  const survivors = [...ledgers].filter(([client]) => !silent.has(client)).map(([, of]) => of);
  const ofClient = (of: (ledger: Ledger) => number): number => median(survivors.map(of));
  return {
    clientMs: ofClient(({ ms, quantiseMs }) => ms + quantiseMs),
    quantiseMs: ofClient(({ quantiseMs }) => quantiseMs),
    clientBytesUp: ofClient(({ up }) => up),
    clientBytesDown: ofClient(({ down }) => down),
    serverMs: server.ms + server.plainMs + server.masksMs,
    plainMs: server.plainMs,
    masks: masks.length,
    masksMs: server.masksMs,
  };
}

function planOf(values: number, clients: number): SecurePlan {
  const room = { clientsMax: clients, ringBits: 32 } as const;
  const examplesMax = 10_000;
  return {
    version: 1,
    adversary: 'curious',
    thresholdMin: 3,
    values,
    encoding: gridEncoding({ range: 1, weightMax: 255, examplesMax }, room),
    examplesMax,
    ...room,
  };
}

function fail(): never {
  throw new Error('a round that nobody disturbs goes on');
}
