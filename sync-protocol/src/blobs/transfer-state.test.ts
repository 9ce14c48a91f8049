import { failure } from '@skerry/shared';
import { describe, expect, it } from 'vitest';
import {
  initialTransferState,
  mismatchesMax,
  type TransferEvent,
  type TransferPhase,
  transferBackoff,
  transitionTransfer,
} from './transfer-state.ts';

const nowMs = 10_000;
const moment = { nowMs, draw: 2 ** 31, wires: 2 };
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
});
