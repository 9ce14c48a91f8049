// Clients that train and mask, and the server of the protocol: what it opens is the weighted mean of what they trained.

import { assert, defined, ok } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import type { QueryPlan } from '@skerry/sync-protocol/learn';
import {
  awaitedClients,
  closeStage,
  encodeSecurePlan,
  openAggregate,
  openSecureRound,
  type SecurePlan,
  type ServerAt,
  takeFromClient,
  wordsFor,
} from '@skerry/sync-protocol/secure-aggregation';
import {
  createSecureCohort,
  sampleLearnPlan,
  sampleSecurePlan,
} from '@skerry/sync-protocol/testing';
import { expect, it } from 'vitest';
import type { ClientMessage, SecureReply } from '../client-app.ts';
import type { Examples } from '../examples.ts';
import { runClient } from '../run-client.ts';
import type { LocalTrainer } from '../trainer.ts';
import { createMask } from './mask.ts';

const plan = sampleLearnPlan({
  model: 'm',
  layout: { tensors: [{ name: 'w', shape: [8] }] },
  examplesMax: 1_000,
});
const none: Examples = {
  datatype: 'UINT8',
  shape: [1],
  inputs: new Uint8Array(),
  labels: new Int32Array(),
};
const secretBytes = { fill: (into: Uint8Array) => into.fill(1) };
const securePlan = sampleSecurePlan({ clientsMax: 4 });
const { encoding } = securePlan;

function createClients(round: number, lastOpened = -1) {
  const cohort = createSecureCohort(4);
  const clients = new Map(
    [...cohort.members].map(([name, { ports }], i) => {
      const policy = { thresholdMin: 2, adversary: 'curious' } as const;
      const mask = createMask({ client: name, policy, ...ports });
      const trainer: LocalTrainer = {
        train: async () =>
          ok({
            delta: Float32Array.from({ length: 8 }, (_, at) => (i + 1) / 10 - at / 100),
            examples: 10 * (i + 1),
            steps: 1,
            completed: 1,
            loss: 1,
          }),
        evaluate: async () => ok({ examples: 0, loss: 0, accuracy: 0 }),
      };
      const run = async (message: ClientMessage) => {
        const held = Int32Array.from({ length: i + 1 + Number(i === 3) }, (_, at) =>
          Number(at > i),
        );
        const train = { ...none, labels: held };
        const work = { message, examples: { train, heldOut: none }, seed: 1 };
        const signal = new AbortController().signal;
        const mods = { secretBytes, mask };
        return runClient({ ...work, state: new Map(), lastOpened }, { trainer, mods }, signal);
      };
      return [name, { run, mask }];
    }),
  );
  const at = { run: 'run-1', round, attempt: 1 };
  const train: ClientMessage = {
    ...at,
    type: 'train',
    plan,
    parameters: new Float32Array(8),
    secure: encodeSecurePlan(securePlan),
  };
  return { cohort, clients, at, train };
}

/** The second falls silent once its shares are dealt. */
async function openRound(
  { cohort, clients, at }: ReturnType<typeof createClients>,
  begins: ClientMessage,
  plan: SecurePlan,
) {
  let state = unwrap(openSecureRound(at, plan, [...clients.keys()]));
  const inputs = new Map<string, Uint8Array>();
  for (;;) {
    const { stage } = state;
    for (const name of awaitedClients(state)) {
      if (name === 'c01' && (stage === 'input' || stage === 'consistency')) continue;
      const payload = defined(wordsFor(state, name), 'its words');
      const client = defined(clients.get(name), name);
      const message: ClientMessage =
        stage === 'keys' ? begins : { ...at, type: 'secure', stage, payload };
      const { reply } = unwrap(await client.run(message));
      expect(reply).toMatchObject({ type: 'secure', stage });
      expect(client.mask.isOpen()).toBe(stage !== 'unmask');
      const { payload: sent } = reply as SecureReply;
      if (stage === 'input') inputs.set(name, sent);
      state = unwrap(takeFromClient(state, name, sent, cohort));
    }
    if (stage === 'unmask') break;
    state = unwrap(closeStage(state));
  }
  return unwrap(openAggregate(state as ServerAt<'unmask'>, inputs, cohort.cryptography));
}

it('[LEA18] a masked round opens the weighted mean of what its clients trained, whoever drops out', async () => {
  const created = createClients(1);
  const { mean, weight, examples } = await openRound(created, created.train, securePlan);
  // Clients 1, 3 and 4, each weighing its examples.
  expect([weight, examples]).toEqual([8, 80]);
  assert(encoding.kind === 'grid', 'a grid');
  const step = (2 * encoding.range) / encoding.levels;
  for (const [i, value] of mean.entries())
    expect(Math.abs(value - ((1 + 9 + 16) / 80 - i / 100))).toBeLessThan(step * 1.01);
});

it('[LEA19] a masked query opens the counts of its clients, and how many have any', async () => {
  const secure = sampleSecurePlan({
    clientsMax: 4,
    values: 4,
    range: 16,
    levels: 32,
    weightMax: 1,
    examplesPerWeight: 1_000,
  });
  const created = createClients(1);
  const { at } = created;
  const query: QueryPlan = {
    version: 3,
    model: 'm',
    base: plan.base,
    question: { kind: 'labels', labels: ['x', 'y'] },
    examplesMax: 16,
    seed: 1,
    secure,
  };
  const { mean, weight } = await openRound(created, { ...at, type: 'query', plan: query }, secure);
  // Clients 1, 3 and 4, each with as many of the first as its number, the fourth with one of the second.
  expect([...mean.map((value) => Math.round(value * weight * 1e6) / 1e6)]).toEqual([8, 1, 3, 1]);
  const wide = { ...query, secure: sampleSecurePlan({ clientsMax: 4, values: 2 }) };
  const [client] = createClients(2).clients.values();
  expect(await client?.run({ ...at, round: 2, type: 'query', plan: wide })).toMatchObject({
    error: { code: 'invalid_argument' },
  });
});

it('[LEA18] who has helped to open a sum takes part in no other attempt of its round', async () => {
  const { clients, train } = createClients(3, 3);
  const client = defined(clients.get('c00'), 'a client');
  expect(await client.run(train)).toMatchObject({ error: { code: 'permission_denied' } });
});

it('[LEA18] a stage of an attempt that is not under way here is not answered', async () => {
  const { clients, at } = createClients(1);
  const client = defined(clients.get('c00'), 'a client');
  const stage = { ...at, type: 'secure', stage: 'shares', payload: Uint8Array.of(1) } as const;
  expect(await client.run(stage)).toMatchObject({ error: { code: 'expired' } });
});
