// Whole rounds, with real cryptography: whoever falls silent wherever, what is opened is the plain sum, to the bit.

import { assert, createRandom } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import { describe, expect, it } from 'vitest';
import {
  createSecureCohort,
  openPlayedRound,
  plainSum,
  playSecureRound,
  type SecureCohort,
  sampleInput,
  sampleSecurePlan,
  sampleSession,
  wordsOfSum,
} from '../../testing/index.ts';
import { type SecureStage, secureStages } from '../messages.ts';
import { recoverMasks } from './recover-masks.ts';
import { noisedEncoding, type SecurePlan, type SecureSession, thresholdOf } from './secure-plan.ts';

type Silence = ReadonlyMap<string, SecureStage>;

const inputsOf = (cohort: SecureCohort, plan: SecurePlan, seed = 1): Map<string, Uint32Array> => {
  const random = createRandom(seed);
  return new Map(
    [...cohort.members.keys()].map((name) => {
      const examples = 1 + random.below(plan.examplesMax);
      return [name, sampleInput(cohort, plan, examples, () => 2 * random.gaussian())];
    }),
  );
};

/** Who answers up to and including a stage. */
const heardAt = (cohort: SecureCohort, silence: Silence, stage: SecureStage): string[] =>
  [...cohort.members.keys()].filter((name) => {
    const from = silence.get(name);
    return from === undefined || secureStages.indexOf(from) > secureStages.indexOf(stage);
  });

interface Attempt {
  readonly session: SecureSession;
  readonly plan: SecurePlan;
  readonly inputs: ReadonlyMap<string, Uint32Array>;
}

/** Plays it and checks it against what the protocol promises: the sum of U3, or that it is over, and where. */
function expectAttempt(cohort: SecureCohort, attempt: Attempt, silence: Silence): boolean {
  const { plan, inputs } = attempt;
  const played = playSecureRound(cohort, { ...attempt, silentFrom: silence });
  const aggregate = played.ok ? openPlayedRound(cohort, played.value) : played;
  const shown = heardAt(cohort, silence, 'keys').length;
  const threshold = thresholdOf(shown, plan);
  const short = secureStages.find((stage) => heardAt(cohort, silence, stage).length < threshold);
  if (short !== undefined) {
    expect(aggregate).toMatchObject({ ok: false, error: { code: 'unavailable', retryable: true } });
    assert(!aggregate.ok, 'refused');
    expect(aggregate.error.message).toContain(`at ${short}, ${threshold} are needed`);
    return false;
  }
  const survivors = heardAt(cohort, silence, 'input');
  const plain = plainSum(survivors.map((name) => inputs.get(name) as Uint32Array));
  expect(wordsOfSum(unwrap(aggregate))).toEqual(plain);
  return true;
}

describe('six clients', () => {
  const cohort = createSecureCohort(6);
  const plan = sampleSecurePlan();
  const inputs = inputsOf(cohort, plan);
  const names = [...cohort.members.keys()];
  let round = 0;
  const nextRound = (): Attempt => ({ session: sampleSession({ round: round++ }), plan, inputs });
  const retry = ({ session }: Attempt): Attempt => ({
    session: { ...session, attempt: session.attempt + 1 },
    plan,
    inputs,
  });

  it('[SEC8] all there: the sum of all', () => {
    expect(expectAttempt(cohort, nextRound(), new Map())).toBe(true);
  });

  it('[SEC8] each client silent from each stage on', () => {
    for (const name of names)
      for (const stage of secureStages)
        expect(expectAttempt(cohort, nextRound(), new Map([[name, stage]]))).toBe(true);
  });

  it.each(secureStages)(
    '[SEC8] each client silent at %s of an attempt that is given up, and at each stage of the next',
    (first) => {
      for (const name of names)
        for (const second of [undefined, ...secureStages]) {
          const attempt = nextRound();
          // Before the last stage: who has helped to open a sum takes part in no other of its round.
          const silentFrom = new Map([[name, first]]);
          unwrap(playSecureRound(cohort, { ...attempt, silentFrom, stopBefore: 'unmask' }));
          const silence: Silence = new Map(second === undefined ? [] : [[name, second]]);
          expect(expectAttempt(cohort, retry(attempt), silence)).toBe(true);
        }
    },
  );

  it('[SEC8] two and three silent, at each pair of stages: the sum, or the attempt is over', () => {
    let opened = 0;
    for (const first of secureStages)
      for (const second of secureStages) {
        const [a, b, c, d] = names as [string, string, string, string];
        for (const silence of [
          new Map([
            [b, first],
            [d, second],
          ]),
          new Map([
            [a, first],
            [c, second],
            [d, second],
          ]),
        ])
          if (expectAttempt(cohort, nextRound(), silence)) opened += 1;
      }
    // Two silent leave four, the threshold. Three do where they never showed a key, and so lowered it.
    expect(opened).toBe(25 + 1 + 4 + 4);
  });
});

describe('fifty clients', () => {
  const cohort = createSecureCohort(50);
  const plan = sampleSecurePlan({ clientsMax: 50, values: 32 });

  it.each([1, 2, 3])('[SEC8] of whom some are silent by chance, seed %i', (seed) => {
    const random = createRandom(seed);
    const silence: Silence = new Map(
      [...cohort.members.keys()].flatMap((name): [string, SecureStage][] =>
        random.next() < 0.3 ? [[name, secureStages[random.below(5)] as SecureStage]] : [],
      ),
    );
    const session = sampleSession({ round: seed });
    const attempt = { session, plan, inputs: inputsOf(cohort, plan, seed) };
    expect(expectAttempt(cohort, attempt, silence)).toBe(true);
  });
});

describe('every ring', () => {
  const cohort = createSecureCohort(5);

  it.each([8, 16, 24, 32] as const)('[SEC3] of %i bits opens the plain sum', (ringBits) => {
    const plan = sampleSecurePlan({ clientsMax: 5, weightMax: 3, ringBits });
    const session = sampleSession({ round: ringBits });
    const attempt = { session, plan, inputs: inputsOf(cohort, plan, ringBits) };
    expect(expectAttempt(cohort, attempt, new Map([['c02', 'input']]))).toBe(true);
  });
});

describe('clients that add noise', () => {
  it('[SEC14] of whom one is silent: the sum is what they have masked, to the bit', () => {
    const cohort = createSecureCohort(5);
    const room = { clientsMax: 5, ringBits: 24 } as const;
    const noise = { clip: 1, noiseMultiplier: 1, honestMin: 3 };
    const encoding = unwrap(noisedEncoding(noise, room));
    const plan: SecurePlan = { ...sampleSecurePlan({ thresholdMin: 3 }), ...room, encoding };
    const inputs = inputsOf(cohort, plan);
    const script = { session: sampleSession(), plan, inputs };
    const silentFrom = new Map([['c01', 'input' as const]]);
    const played = unwrap(playSecureRound(cohort, { ...script, silentFrom }));
    const opened = unwrap(openPlayedRound(cohort, played));
    const heard = [...inputs].filter(([name]) => name !== 'c01').map(([, words]) => words);
    expect([...opened.sum]).toEqual(
      plainSum(heard)
        .slice(2)
        .map((word) => word % 2 ** 24),
    );
    const signed = heard.map((words) => [...words.subarray(2)].map((word) => word | 0));
    for (const [i, mean] of opened.mean.entries()) {
      const steps = signed.reduce((sum, words) => sum + (words[i] as number), 0);
      expect(mean).toBeCloseTo(steps / encoding.steps / 4, 9);
    }
  });
});

describe('an active server’s threshold', () => {
  it('[SEC6] is more than two thirds, a curious one’s more than a half', () => {
    const active = { adversary: 'active', thresholdMin: 2 } as const;
    const curious = { adversary: 'curious', thresholdMin: 2 } as const;
    for (let n = 2; n <= 64; n++) {
      expect(thresholdOf(n, curious)).toBe(Math.max(2, Math.floor(n / 2) + 1));
      expect(thresholdOf(n, curious) * 2).toBeGreaterThan(n);
      expect(thresholdOf(n, active) * 3).toBeGreaterThan(2 * n);
    }
    expect([3, 6, 10, 50].map((n) => thresholdOf(n, active))).toEqual([3, 5, 7, 34]);
    expect([3, 6, 10, 50].map((n) => thresholdOf(n, curious))).toEqual([2, 4, 6, 26]);
    expect(thresholdOf(4, { ...curious, thresholdMin: 4 })).toBe(4);
  });

  it('[SEC6] tolerates what is left of the clients', () => {
    const cohort = createSecureCohort(7, { thresholdMin: 3, adversary: 'active' });
    const plan = sampleSecurePlan({ clientsMax: 7, adversary: 'active', thresholdMin: 3 });
    const inputs = inputsOf(cohort, plan);
    const attempt = (round: number) => ({ session: sampleSession({ round }), plan, inputs });
    const two: Silence = new Map([
      ['c01', 'input'],
      ['c04', 'unmask'],
    ]);
    expect(expectAttempt(cohort, attempt(1), two)).toBe(true);
    expect(expectAttempt(cohort, attempt(2), new Map([...two, ['c06', 'consistency']]))).toBe(
      false,
    );
  });
});

describe('a client that lies', () => {
  const cohort = createSecureCohort(6);
  const plan = sampleSecurePlan();
  const inputs = inputsOf(cohort, plan);

  it('[SEC12] with a share that it reveals is passed over and named', () => {
    const script = { session: sampleSession({ round: 1 }), plan, inputs };
    const played = unwrap(
      playSecureRound(cohort, { ...script, silentFrom: new Map([['c05', 'input']]) }),
    );
    assert(played.state.stage === 'unmask', 'played to its end');
    const revealed = played.state.revealed.map((from) =>
      from.client === 'c00'
        ? {
            ...from,
            seeds: from.seeds.map((of) => ({ ...of, share: of.share.map((byte) => byte ^ 1) })),
            maskKeys: from.maskKeys.map((of) => ({
              ...of,
              share: of.share.map((byte) => byte ^ 1),
            })),
          }
        : from,
    );
    const state = { ...played.state, revealed };
    expect(unwrap(recoverMasks(state, cohort.cryptography)).liars).toEqual(['c00']);
    const plain = plainSum(
      [...inputs].filter(([name]) => name !== 'c05').map(([, words]) => words),
    );
    expect(wordsOfSum(unwrap(openPlayedRound(cohort, { ...played, state })))).toEqual(plain);
    // With the threshold’s number of shares alone there is nothing to tell it by, but that the sum stays shut.
    const few = { ...state, revealed: revealed.slice(0, 4) };
    expect(recoverMasks(few, cohort.cryptography)).toMatchObject({
      error: { code: 'unavailable', message: expect.stringContaining('c00') },
    });
  });
});
