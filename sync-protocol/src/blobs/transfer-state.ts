// How one blob gets across: the pure half of a transfer. It says which wire to try and how long to wait; the wires move
// bytes and keep what arrived, so that each try goes on where the last one ended.
//
//              admitted                arrived
//   ┌────────┐ ────────► ┌────────┐ ────────────► ┌──────┐
//   │ queued │           │ moving │               │ done │
//   └────────┘           └────────┘ ──┐           └──────┘
//        ▲  due, online      │        │ refused
//        │                   │ cut    ▼
//   ┌─────────┐ ◄────────────┘     ┌────────┐
//   │ waiting │                    │ failed │
//   └─────────┘                    └────────┘
//
// A try that gained nothing makes the next one use the other wire. A link that is away is no reason to give up, however
// long; a digest that does not match is, after `mismatchesMax`.

import { type Backoff, backoffMs, type Failure, randomFrom } from '@skerry/shared';

export const transferBackoff: Backoff = { initialMs: 500, maxMs: 60_000 };
/** Tries whose bytes were not what they should be. */
export const mismatchesMax = 3;

export type TransferPhase =
  | { readonly kind: 'queued' }
  /** `gained`: bytes have come across in this try. */
  | { readonly kind: 'moving'; readonly gained: boolean }
  | { readonly kind: 'waiting'; readonly untilMs: number; readonly reason: Failure }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly reason: Failure };

export interface TransferState {
  readonly phase: TransferPhase;
  /** Index of the wire in use, or to be used next. */
  readonly wire: number;
  /** Tries in a row that gained nothing. */
  readonly attempt: number;
  readonly mismatches: number;
}

export type TransferEvent =
  | { readonly kind: 'admitted' }
  | { readonly kind: 'gained' }
  | { readonly kind: 'arrived' }
  | { readonly kind: 'cut'; readonly failure: Failure }
  | { readonly kind: 'online' }
  | { readonly kind: 'tick' };

export interface TransferMoment {
  readonly nowMs: number;
  /** A uniform uint32, for jitter. */
  readonly draw: number;
  readonly wires: number;
}

export interface TransferTransition {
  readonly state: TransferState;
  /** Start moving bytes over `state.wire`. */
  readonly starts: boolean;
}

export const initialTransferState: TransferState = {
  phase: { kind: 'queued' },
  wire: 0,
  attempt: 0,
  mismatches: 0,
};

export function transitionTransfer(
  state: TransferState,
  event: TransferEvent,
  moment: TransferMoment,
): TransferTransition {
  const { phase } = state;
  switch (phase.kind) {
    case 'queued':
      return event.kind === 'admitted'
        ? { state: { ...state, phase: { kind: 'moving', gained: false } }, starts: true }
        : stay(state);
    case 'moving':
      return whenMoving(state, phase, event, moment);
    case 'waiting': {
      const due = event.kind === 'tick' && moment.nowMs >= phase.untilMs;
      return due || event.kind === 'online'
        ? stay({ ...state, phase: { kind: 'queued' } })
        : stay(state);
    }
    case 'done':
    case 'failed':
      return stay(state);
  }
}

function whenMoving(
  state: TransferState,
  phase: Extract<TransferPhase, { kind: 'moving' }>,
  event: TransferEvent,
  moment: TransferMoment,
): TransferTransition {
  switch (event.kind) {
    case 'gained':
      return stay({ ...state, attempt: 0, phase: { ...phase, gained: true } });
    case 'arrived':
      return stay({ ...state, phase: { kind: 'done' } });
    case 'cut':
      return stay(afterCut(state, phase.gained, event.failure, moment));
    case 'admitted':
    case 'online':
    case 'tick':
      return stay(state);
  }
}

function afterCut(
  state: TransferState,
  gained: boolean,
  reason: Failure,
  { nowMs, draw, wires }: TransferMoment,
): TransferState {
  const mismatches = state.mismatches + (reason.code === 'digest_mismatch' ? 1 : 0);
  const again = reason.code === 'digest_mismatch' ? mismatches < mismatchesMax : reason.retryable;
  if (!again) return { ...state, mismatches, phase: { kind: 'failed', reason } };
  const random = randomFrom(() => draw);
  const jitteredMs = backoffMs(transferBackoff, state.attempt, random);
  return {
    phase: {
      kind: 'waiting',
      reason,
      untilMs: nowMs + Math.max(jitteredMs, reason.retryAfterMs ?? 0),
    },
    wire: gained ? state.wire : (state.wire + 1) % wires,
    attempt: state.attempt + 1,
    mismatches,
  };
}

const stay = (state: TransferState): TransferTransition => ({ state, starts: false });
