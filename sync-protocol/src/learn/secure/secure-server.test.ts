// What the server takes and refuses, and that its state is all it needs after a restart. Whole rounds: secure-round.test.ts.

import { assert } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import { describe, expect, it } from 'vitest';
import {
  createSecureCohort,
  openPlayedRound,
  playSecureRound,
  sampleInput,
  sampleSecurePlan,
  sampleSession,
  wordsOfSum,
} from '../../testing/index.ts';
import { type SecureStage, secureStages } from '../messages.ts';
import { addMask } from './masked-words.ts';
import { dequantiseSum } from './quantise-input.ts';
import { addMaskedInput, createSum, openAggregate, recoverMasks } from './recover-masks.ts';
import { joinSecureRound } from './secure-client.ts';
import { decodeFromClient, encodeFromClient, type FromClient } from './secure-messages.ts';
import {
  answeredClients,
  askedClients,
  awaitedClients,
  closeStage,
  openSecureRound,
  type ServerState,
  takeFromClient,
  wordsFor,
} from './secure-server.ts';
import { decodeServerState, encodeServerState } from './stored-round.ts';

const cohort = createSecureCohort(5);
const plan = sampleSecurePlan({ clientsMax: 5 });
const names = [...cohort.members.keys()];
const inputs = new Map(names.map((name, i) => [name, sampleInput(cohort, plan, 10, () => i)]));
let round = 0;

/** A new round up to the questions of a stage, and one client’s reply to them. */
function at(stage: SecureStage, client = 'c00'): { state: ServerState; reply: Uint8Array } {
  round += 1;
  const session = sampleSession({ round });
  let state = unwrap(openSecureRound(session, plan, names));
  for (;;) {
    const replies = new Map<string, Uint8Array>();
    for (const name of askedClients(state)) {
      const { participant } = cohort.members.get(name) ?? missing();
      const words = wordsFor(state, name) ?? missing();
      const reply =
        state.stage === 'keys'
          ? participant.join(session, plan)
          : participant.take(session, words, inputs.get(name));
      replies.set(name, unwrap(reply));
    }
    if (state.stage === stage) return { state, reply: replies.get(client) ?? missing() };
    for (const [name, reply] of replies) state = unwrap(takeFromClient(state, name, reply, cohort));
    state = unwrap(closeStage(state));
  }
}

const missing = (): never => assert(false, 'it is there') as never;
const taken = (state: ServerState, client: string, reply: Uint8Array) =>
  takeFromClient(state, client, reply, cohort);

function changed(state: ServerState, reply: Uint8Array, change: object): Uint8Array {
  const {
    v: _,
    run: __,
    round: ___,
    attempt: ____,
    ...words
  } = unwrap(decodeFromClient(reply, state.session, 1_000));
  return encodeFromClient(state.session, { ...words, ...change } as FromClient);
}

describe('a round', () => {
  it('[SEC6] is not opened for a client twice, too many or too few', () => {
    const open = (clients: string[]) => openSecureRound(sampleSession(), plan, clients);
    expect(open(['a', 'b'])).toMatchObject({ ok: true });
    for (const bad of [['a', 'b', 'a'], ['a', 'b', 'c', 'd', 'e', 'f'], ['a'], []])
      expect(open(bad)).toMatchObject({ error: { code: 'invalid_argument' } });
  });

  it('[SEC8] asks at each stage whom it heard at the one before, and says who is awaited', () => {
    for (const stage of secureStages) {
      const { state, reply } = at(stage);
      expect(askedClients(state)).toEqual(names);
      expect(awaitedClients(state)).toEqual(names);
      const next = unwrap(taken(state, 'c00', reply));
      expect(answeredClients(next)).toEqual(['c00']);
      expect(awaitedClients(next)).toEqual(names.slice(1));
      expect(wordsFor(next, 'd00')).toBeUndefined();
    }
  });

  it('[SEC8] ends below the threshold, at each stage, and opens nothing', () => {
    for (const stage of secureStages) {
      const { state, reply } = at(stage);
      const one = unwrap(taken(state, 'c00', reply));
      const over =
        one.stage === 'unmask' ? recoverMasks(one, cohort.cryptography) : closeStage(one);
      expect(over).toMatchObject({ error: { code: 'unavailable', retryable: true } });
    }
  });

  it('[SEC9] takes each reply once, at its stage, of its attempt, from whom it asked', () => {
    for (const stage of secureStages) {
      const { state, reply } = at(stage);
      const next = unwrap(taken(state, 'c00', reply));
      expect(unwrap(taken(next, 'c00', reply))).toBe(next);
      expect(taken(state, 'd00', reply)).toMatchObject({ error: { code: 'invalid_argument' } });
      const { session } = state;
      const later = { ...state, session: { ...session, attempt: session.attempt + 1 } };
      expect(taken(later, 'c00', reply)).toMatchObject({ error: { code: 'expired' } });
      const elsewhere = at(stage === 'keys' ? 'shares' : 'keys').state;
      expect(taken({ ...elsewhere, session }, 'c00', reply)).toMatchObject({
        error: { code: 'invalid_argument' },
      });
    }
  });

  it('[SEC11] is the same after a restart at any stage, to the words it says', () => {
    for (const stage of secureStages) {
      const { state, reply } = at(stage);
      const stored = unwrap(decodeServerState(encodeServerState(state)));
      expect(stored).toEqual(state);
      for (const name of names) expect(wordsFor(stored, name)).toEqual(wordsFor(state, name));
      const [before, after] = [state, stored].map((of) => unwrap(taken(of, 'c00', reply)));
      expect(after).toEqual(before);
    }
    expect(decodeServerState(Uint8Array.of(1, 2, 3))).toMatchObject({
      error: { code: 'malformed_message' },
    });
  });

  it('[SEC11] holds no vector, whatever the model’s size', () => {
    const { state, reply } = at('input');
    const next = unwrap(taken(state, 'c00', reply));
    expect(encodeServerState(next).length - encodeServerState(state).length).toBeLessThan(16);
  });
});

describe('of a client’s words it refuses', () => {
  const invalid = { error: { code: 'invalid_argument' } };

  it('[SEC7] keys that another has signed, or that are of low order', () => {
    const { state, reply } = at('keys');
    expect(taken(state, 'c01', reply)).toMatchObject({ error: { code: 'untrusted' } });
    const forged = changed(state, reply, { maskKey: new Uint8Array(32).fill(9) });
    expect(taken(state, 'c00', forged)).toMatchObject({ error: { code: 'untrusted' } });
    const { signer, ...ports } = cohort.members.get('c00')?.ports ?? missing();
    const keyExchange: typeof ports.cryptography.keyExchange = (secret) => ({
      ...ports.cryptography.keyExchange(secret),
      publicKey: () => new Uint8Array(32),
    });
    const cryptography = { ...ports.cryptography, keyExchange };
    const policy = { thresholdMin: 2, adversary: 'curious' } as const;
    const low = joinSecureRound('c00', state.session, plan, policy, { cryptography, signer });
    expect(taken(state, 'c00', unwrap(low).reply)).toMatchObject(invalid);
  });

  it('[SEC9] shares that are not one for each of the others', () => {
    const { state, reply } = at('shares');
    const words = unwrap(decodeFromClient(reply, state.session, 0));
    assert(words.stage === 'shares', 'shares');
    const [first, ...rest] = words.boxes;
    assert(first !== undefined, 'a box');
    for (const boxes of [
      rest,
      [{ ...first, client: 'c00' }, ...rest],
      [...rest, { ...first, client: 'd00' }],
    ])
      expect(taken(state, 'c00', changed(state, reply, { boxes }))).toMatchObject(invalid);
  });

  it('[SEC3] a vector of another length', () => {
    const { state, reply } = at('input');
    for (const length of [0, 36, 44])
      expect(
        taken(state, 'c00', changed(state, reply, { vector: new Uint8Array(length) })),
      ).toMatchObject(invalid);
    expect(
      taken(state, 'c00', changed(state, reply, { vector: new Uint8Array(4_000_000) })),
    ).toMatchObject({
      error: { code: 'too_large' },
    });
  });

  it('[SEC13] a signature over another list', () => {
    const { state, reply } = at('consistency');
    expect(taken(state, 'c01', reply)).toMatchObject({ error: { code: 'untrusted' } });
  });

  it('[SEC4] a share that nobody asked for: it must not come to hold both of a client’s secrets', () => {
    const { state, reply } = at('unmask');
    const words = unwrap(decodeFromClient(reply, state.session, 0));
    assert(words.stage === 'unmask', 'shares');
    const both = changed(state, reply, { maskKeys: words.seeds });
    expect(taken(state, 'c00', both)).toMatchObject(invalid);
    const stranger = { client: 'd00', share: words.seeds[0]?.share ?? missing() };
    expect(
      taken(state, 'c00', changed(state, reply, { seeds: [...words.seeds, stranger] })),
    ).toMatchObject(invalid);
  });

  it('[SEC9] whatever is no message', () => {
    const { state } = at('keys');
    for (const bytes of [new Uint8Array(0), Uint8Array.of(0xff), new Uint8Array(99).fill(0xa0)])
      expect(taken(state, 'c00', bytes)).toMatchObject({ error: { code: 'malformed_message' } });
  });
});

describe('the sum', () => {
  const played = () => {
    round += 1;
    const session = sampleSession({ round });
    return unwrap(
      playSecureRound(cohort, { session, plan, inputs, silentFrom: new Map([['c03', 'input']]) }),
    );
  };

  it('[SEC8] comes out the same in steps as in one go', () => {
    const { state, inputs: sent } = played();
    assert(state.stage === 'unmask', 'played to its end');
    const sum = createSum(state);
    for (const client of [...state.survivors].reverse())
      unwrap(addMaskedInput(state, sum, sent.get(client) ?? missing()));
    const { masks, liars } = unwrap(recoverMasks(state, cohort.cryptography));
    expect(masks).toHaveLength(4 + 4);
    expect(liars).toEqual([]);
    for (const { key, sign } of [...masks].reverse()) addMask(sum, key, sign, cohort.cryptography);
    const stepped = unwrap(dequantiseSum(plan, sum, state.survivors.length));
    const whole = unwrap(openAggregate(state, sent, cohort.cryptography));
    expect(wordsOfSum(stepped)).toEqual(wordsOfSum(whole));
    expect(whole.mean).toEqual(stepped.mean);
  });

  it('[SEC8] is not opened without each survivor’s vector', () => {
    const { state, inputs: sent } = played();
    assert(state.stage === 'unmask', 'played to its end');
    const some = new Map([...sent].slice(1));
    expect(openAggregate(state, some, cohort.cryptography)).toMatchObject({
      error: { code: 'invalid_argument' },
    });
    const wrong = new Map([...sent, ['c00', new Uint8Array(9)]]);
    expect(openAggregate(state, wrong, cohort.cryptography)).toMatchObject({ ok: false });
  });

  it('[SEC8] is noise as long as one mask is left in it', () => {
    const round = played();
    const { state } = round;
    assert(state.stage === 'unmask', 'played to its end');
    const right = wordsOfSum(unwrap(openPlayedRound(cohort, round)));
    const { masks } = unwrap(recoverMasks(state, cohort.cryptography));
    for (const left of masks.keys()) {
      const sum = createSum(state);
      for (const bytes of round.inputs.values()) unwrap(addMaskedInput(state, sum, bytes));
      for (const [i, { key, sign }] of masks.entries())
        if (i !== left) addMask(sum, key, sign, cohort.cryptography);
      expect([...sum].filter((word, i) => word === right[i])).toEqual([]);
    }
  });
});
