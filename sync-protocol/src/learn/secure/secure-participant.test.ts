import { err, failure } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import { describe, expect, it } from 'vitest';
import {
  createSecureCohort,
  openPlayedRound,
  playSecureRound,
  sampleInput,
  sampleSecurePlan,
  sampleSession,
} from '../../testing/index.ts';
import { createMemoryOpenedRounds, createSecureParticipant } from './secure-participant.ts';
import { openSecureRound, wordsFor } from './secure-server.ts';

const plan = sampleSecurePlan({ clientsMax: 4 });
const policy = { thresholdMin: 2, adversary: 'curious' } as const;

function fleet() {
  const cohort = createSecureCohort(4);
  const names = [...cohort.members.keys()];
  const inputs = new Map(names.map((name) => [name, sampleInput(cohort, plan, 10, () => 1)]));
  return {
    cohort,
    inputs,
    script: (attempt: number) => ({ session: sampleSession({ attempt }), plan, inputs }),
  };
}

describe('a participant', () => {
  it('[SEC10] whose round was opened takes part in no other attempt of it, nor in an older round', () => {
    const { cohort, script } = fleet();
    const played = unwrap(playSecureRound(cohort, script(1)));
    expect(openPlayedRound(cohort, played)).toMatchObject({ ok: true });
    expect(playSecureRound(cohort, script(2))).toMatchObject({
      error: { code: 'permission_denied' },
    });
    const { participant } = cohort.members.get('c00') ?? { participant: undefined };
    expect(participant?.join(sampleSession({ round: 2 }), plan)).toMatchObject({ ok: false });
    expect(participant?.join(sampleSession({ round: 4 }), plan)).toMatchObject({ ok: true });
    expect(participant?.join(sampleSession({ run: 'run-2', round: 0 }), plan)).toMatchObject({
      ok: true,
    });
  });

  it('[SEC10] whose attempt was given up before takes part in the next', () => {
    const { cohort, script } = fleet();
    unwrap(playSecureRound(cohort, { ...script(1), stopBefore: 'unmask' }));
    const played = unwrap(playSecureRound(cohort, script(2)));
    expect(openPlayedRound(cohort, played)).toMatchObject({ ok: true });
  });

  it('[SEC11] that was restarted is one that dropped out: it answers nothing of what it began', () => {
    const { cohort } = fleet();
    const session = sampleSession();
    const { ports, participant } = cohort.members.get('c00') ?? missing();
    unwrap(participant.join(session, plan));
    const opened = createMemoryOpenedRounds();
    const restarted = createSecureParticipant('c00', policy, { ...ports, opened });
    const words = unwrap(openSecureRound(session, plan, ['c00', 'c01']));
    expect(restarted.take(session, wordsFor(words, 'c00') ?? missing())).toMatchObject({
      error: { code: 'expired' },
    });
    expect(restarted.stage()).toBeUndefined();
  });

  it('[SEC10] reveals nothing before it is durable that it has', () => {
    const { cohort, script, inputs } = fleet();
    const { ports } = cohort.members.get('c00') ?? missing();
    const full = err(failure('storage_failed', 'the disk is full'));
    const opened = { last: () => -1, add: () => full };
    const participant = createSecureParticipant('c00', policy, { ...ports, opened });
    const members = new Map([
      ...cohort.members,
      ['c00', { name: 'c00', ports, participant }] as const,
    ]);
    const played = playSecureRound({ ...cohort, members }, { ...script(1), inputs });
    expect(played).toEqual(full);
    expect(participant.stage()).toBe('signed');
  });

  it('[SEC11] forgets its secrets when it goes on, gives up or closes', () => {
    const { cohort } = fleet();
    const { ports } = cohort.members.get('c00') ?? missing();
    const drawn: Uint8Array[] = [];
    const cryptography = {
      ...ports.cryptography,
      randomBytes(bytes: number) {
        const secret = ports.cryptography.randomBytes(bytes);
        drawn.push(secret);
        return secret;
      },
    };
    const opened = createMemoryOpenedRounds();
    const participant = createSecureParticipant('c00', policy, { ...ports, cryptography, opened });
    unwrap(participant.join(sampleSession(), plan));
    expect(drawn).toHaveLength(3);
    unwrap(participant.join(sampleSession({ attempt: 2 }), plan));
    const empty = (secret: Uint8Array): boolean => secret.every((byte) => byte === 0);
    expect(drawn.map(empty)).toEqual([true, true, true, false, false, false]);
    participant.close();
    expect(drawn.every(empty)).toBe(true);
  });
});

const missing = (): never => {
  throw new Error('it is there');
};
