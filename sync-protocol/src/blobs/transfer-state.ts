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
//
// The first wire may bring copies, from somebody near: where there is none, or a false one, the next wire starts at once
// and no try has failed. One that is just being fetched there is waited for, within `copyWaitMsMax`. [PEE4–PEE6]

import { type Backoff, backoffMs, type Failure, randomFrom } from '@skerry/shared';

export const transferBackoff: Backoff = { initialMs: 500, maxMs: 60_000 };
/** Tries whose bytes were not what they should be. */
export const mismatchesMax = 3;
/** Of all waits of one transfer for a copy that is on its way to whom it was asked of. */
export const copyWaitMsMax = 600_000;
/** A wait for a copy is longer at random by up to this share. */
const copyJitterShare = 0.5;

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
  /** Bytes of a copy are among those here; or they were false, and no copy is asked for again. */
  readonly copy: 'unused' | 'used' | 'false';
  /** When waiting for a copy ends, once it has begun. */
  readonly copyWaitsUntilMs?: number;
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
  /** Whether wire 0 brings copies; it is then not the only one. */
  readonly copies: boolean;
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
  copy: 'unused',
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
      return stay({
        ...state,
        attempt: 0,
        copy: isOnCopy(state, moment) ? 'used' : state.copy,
        phase: { ...phase, gained: true },
      });
    case 'arrived':
      return stay({ ...state, phase: { kind: 'done' } });
    case 'cut':
      return isOnCopy(state, moment)
        ? afterCopy(state, phase.gained, event.failure, moment)
        : stay(afterCut(state, phase.gained, event.failure, moment));
    case 'admitted':
    case 'online':
    case 'tick':
      return stay(state);
  }
}

const isOnCopy = ({ wire }: TransferState, { copies }: TransferMoment): boolean =>
  copies && wire === 0;

/** Whoever was asked for a copy owes none: whatever it says, the transfer goes on. */
function afterCopy(
  state: TransferState,
  gained: boolean,
  reason: Failure,
  moment: TransferMoment,
): TransferTransition {
  const { nowMs, draw } = moment;
  if (reason.code === 'digest_mismatch') return pass({ ...state, copy: 'false' });
  if (gained) return stay(afterCut(state, gained, reason, moment));
  if (reason.retryAfterMs === undefined) return pass(state);
  const waitMs = reason.retryAfterMs * (1 + copyJitterShare * randomFrom(() => draw).next());
  const untilMs = nowMs + waitMs;
  const copyWaitsUntilMs = state.copyWaitsUntilMs ?? nowMs + copyWaitMsMax;
  if (untilMs > copyWaitsUntilMs) return pass(state);
  return stay({ ...state, copyWaitsUntilMs, phase: { kind: 'waiting', reason, untilMs } });
}

const pass = (state: TransferState): TransferTransition => ({
  state: { ...state, wire: 1, phase: { kind: 'moving', gained: false } },
  starts: true,
});

function afterCut(
  state: TransferState,
  gained: boolean,
  reason: Failure,
  { nowMs, draw, wires, copies }: TransferMoment,
): TransferState {
  const isFalse = reason.code === 'digest_mismatch';
  // Which of the bytes were false nobody can tell: the copy's count against the copy.
  const isCopysFault = isFalse && state.copy === 'used';
  const copy = isCopysFault ? 'false' : state.copy;
  const mismatches = state.mismatches + (isFalse && !isCopysFault ? 1 : 0);
  const again = isFalse ? mismatches < mismatchesMax : reason.retryable;
  if (!again) return { ...state, mismatches, copy, phase: { kind: 'failed', reason } };
  const random = randomFrom(() => draw);
  const jitteredMs = backoffMs(transferBackoff, state.attempt, random);
  const after = (state.wire + 1) % wires;
  const next = after === 0 && copies && copy === 'false' ? 1 : after;
  return {
    ...state,
    copy,
    mismatches,
    phase: {
      kind: 'waiting',
      reason,
      untilMs: nowMs + Math.max(jitteredMs, reason.retryAfterMs ?? 0),
    },
    wire: gained ? state.wire : next,
    attempt: state.attempt + 1,
  };
}

const stay = (state: TransferState): TransferTransition => ({ state, starts: false });
