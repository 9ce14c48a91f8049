import { type Failure, failure } from '@skerry/shared';
import { describe, expect, it } from 'vitest';
import {
  copyWaitMsMax,
  initialTransferState,
  mismatchesMax,
  type TransferEvent,
  type TransferPhase,
  type TransferState,
  transferBackoff,
  transitionTransfer,
} from './transfer-state.ts';

const nowMs = 10_000;
const moment = { nowMs, draw: 2 ** 31, wires: 2, copies: false };
const away = failure('unavailable', 'cut');
const refused = failure('not_found', 'no such blob');

const phases: { [K in TransferPhase['kind']]: Extract<TransferPhase, { kind: K }> } = {
  queued: { kind: 'queued' },
  moving: { kind: 'moving', gained: false },
  waiting: { kind: 'waiting', untilMs: nowMs, reason: away },
  done: { kind: 'done' },
  failed: { kind: 'failed', reason: refused },
};

const events: { [K in TransferEvent['kind']]: Extract<TransferEvent, { kind: K }> } = {
  admitted: { kind: 'admitted' },
  gained: { kind: 'gained' },
  arrived: { kind: 'arrived' },
  cut: { kind: 'cut', failure: away },
  online: { kind: 'online' },
  tick: { kind: 'tick' },
};

type Outcome = TransferPhase['kind'] | 'starts' | 'same';
const nothing = {
  admitted: 'same',
  gained: 'same',
  arrived: 'same',
  cut: 'same',
  online: 'same',
  tick: 'same',
} as const;

/** What each event does to each state, with every timer due. */
const table: Record<TransferPhase['kind'], Record<TransferEvent['kind'], Outcome>> = {
  queued: { ...nothing, admitted: 'starts' },
  moving: { ...nothing, gained: 'moving', arrived: 'done', cut: 'waiting' },
  waiting: { ...nothing, online: 'queued', tick: 'queued' },
  done: nothing,
  failed: nothing,
};

describe('a transfer', () => {
  for (const [kind, row] of Object.entries(table))
    for (const [event, outcome] of Object.entries(row))
      it(`${kind} + ${event}: ${outcome}`, () => {
        const phase = phases[kind as TransferPhase['kind']];
        const state = { ...initialTransferState, phase };
        const next = transitionTransfer(state, events[event as TransferEvent['kind']], moment);
        expect(next.starts).toBe(outcome === 'starts');
        if (outcome === 'same') expect(next.state).toBe(state);
        else expect(next.state.phase.kind).toBe(outcome === 'starts' ? 'moving' : outcome);
      });

  const moving = { ...initialTransferState, phase: phases.moving };

  it('[TRF1] tries the other wire after a try that gained nothing, and the same one after a gain', () => {
    expect(transitionTransfer(moving, events.cut, moment).state.wire).toBe(1);
    const gained = transitionTransfer(moving, events.gained, moment).state;
    expect(transitionTransfer(gained, events.cut, moment).state).toMatchObject({
      wire: 0,
      attempt: 1,
    });
  });

  it('[TRF1] never gives up for want of a link, and waits within its bound', () => {
    let state = initialTransferState;
    for (let i = 0; i < 1_000; i++) {
      state = transitionTransfer({ ...state, phase: phases.moving }, events.cut, moment).state;
      const { phase } = state;
      expect(phase.kind === 'waiting' && phase.untilMs - nowMs).toBeLessThan(transferBackoff.maxMs);
    }
  });

  it('[TRF1] waits at least as long as it was told to, and not before it is due', () => {
    const busy = failure('overloaded', 'later', { retryAfterMs: 120_000 });
    const { state } = transitionTransfer(moving, { kind: 'cut', failure: busy }, moment);
    expect(state.phase).toMatchObject({ untilMs: nowMs + 120_000 });
    expect(transitionTransfer(state, events.tick, moment).state).toBe(state);
  });

  it('[TRF2] fails at what waiting cannot mend, and at a digest that does not match again and again', () => {
    const cut = { kind: 'cut', failure: refused } as const;
    expect(transitionTransfer(moving, cut, moment).state.phase).toEqual(phases.failed);
    const mismatch = { kind: 'cut', failure: failure('digest_mismatch', 'false') } as const;
    let state = initialTransferState;
    const seen: string[] = [];
    for (let i = 0; i < mismatchesMax; i++) {
      state = transitionTransfer({ ...state, phase: phases.moving }, mismatch, moment).state;
      seen.push(state.phase.kind);
    }
    expect(seen).toEqual(['waiting', 'waiting', 'failed']);
  });

  describe('whose first wire brings copies', () => {
    const near = { ...moment, wires: 3, copies: true };
    const cut = (failed: Failure) => ({ kind: 'cut', failure: failed }) as const;
    const mismatch = failure('digest_mismatch', 'false');
    const coming = failure('unavailable', 'it is on its way', { retryAfterMs: 2_000 });

    it.each([
      ['has none', refused],
      ['is away', away],
    ])('[PEE4] goes on at once where who is near %s, and no try has failed', (_why, failed) => {
      const { state, starts } = transitionTransfer(moving, cut(failed), near);
      expect(starts).toBe(true);
      expect(state).toEqual({ ...moving, wire: 1 });
      // Of the coordinator the same word ends it, or costs a wait.
      const then = transitionTransfer(state, cut(failed), near).state.phase.kind;
      expect(then).toBe(failed === refused ? 'failed' : 'waiting');
    });

    it('[PEE4] that broke off in a copy goes on with it after the usual wait', () => {
      const gained = transitionTransfer(moving, events.gained, near).state;
      expect(transitionTransfer(gained, cut(away), near).state).toMatchObject({
        wire: 0,
        phase: { kind: 'waiting' },
      });
    });

    it('[PEE5] waits for a copy that is on its way, longer at random, and within one bound over all waits', () => {
      const waits = [0, 2 ** 31, 2 ** 32 - 1].map((draw) => {
        const { state } = transitionTransfer(moving, cut(coming), { ...near, draw });
        expect(state).toMatchObject({ wire: 0, attempt: 0 });
        return state.phase.kind === 'waiting' ? state.phase.untilMs - nowMs : undefined;
      });
      expect(waits[0]).toBe(2_000);
      expect(waits[1]).toBeCloseTo(2_500);
      expect(waits[2]).toBeCloseTo(3_000);
      let [state, atMs, asks] = [moving as TransferState, nowMs, 0];
      for (; state.wire === 0; asks++) {
        state = transitionTransfer({ ...state, phase: phases.moving }, cut(coming), {
          ...near,
          nowMs: atMs,
        }).state;
        if (state.phase.kind === 'waiting') atMs = state.phase.untilMs;
      }
      expect(state.phase).toEqual({ kind: 'moving', gained: false });
      expect(asks).toBe(copyWaitMsMax / 2_500 + 1);
    });

    it('[PEE6] that got false bytes goes on without copies, and nothing counts against the others', () => {
      const whole = transitionTransfer(moving, events.gained, near).state;
      const { state, starts } = transitionTransfer(whole, cut(mismatch), near);
      expect(starts).toBe(true);
      expect(state).toMatchObject({ wire: 1, mismatches: 0, copy: 'false' });
      const turns = [state];
      for (let i = 0; i < 4; i++)
        turns.push(
          transitionTransfer({ ...(turns[i] as TransferState), phase: phases.moving }, cut(away), {
            ...near,
          }).state,
        );
      expect(turns.map(({ wire }) => wire)).toEqual([1, 2, 1, 2, 1]);
    });

    it('[PEE6] of which a part was a copy’s, and false, is begun anew, and nothing is counted', () => {
      const part = transitionTransfer(moving, events.gained, near).state;
      const onHttp = { ...part, wire: 1, phase: { kind: 'moving', gained: true } } as const;
      const { state } = transitionTransfer(onHttp, cut(mismatch), near);
      expect(state).toMatchObject({ wire: 1, mismatches: 0, copy: 'false' });
      const again = { ...state, phase: onHttp.phase };
      expect(transitionTransfer(again, cut(mismatch), near).state.mismatches).toBe(1);
    });
  });
});
