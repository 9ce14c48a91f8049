// What a device has been asked to do in rounds, what it keeps of a run, and what it has answered. Port; its adapter shares
// the outbox's transactions, so that a task comes with the op that brought it, and a reply goes with what it changes.

import type { Result } from '@skerry/shared';
import type { LearnTask } from '@skerry/sync-protocol/learn';

export interface HeldTask {
  readonly task: LearnTask;
  readonly receivedMs: number;
  /** How often it was begun. */
  readonly tries: number;
}

/** Where a run stands on this device. */
export interface KeptRun {
  readonly run: string;
  readonly model: string | undefined;
  readonly round: number;
  readonly attempt: number;
  /** Its task has not been answered yet. */
  readonly isOpen: boolean;
  /** What came of the last one that was. */
  readonly outcome: string | undefined;
  readonly atMs: number;
}

export interface Answered {
  /** What was put. */
  readonly state: ReadonlyMap<string, Uint8Array>;
  readonly outcome: string;
  /** What the model's updates have cost with this one. */
  readonly spent?: { readonly model: string; readonly rho: number };
  /** It helps to open the masked sum of its round. */
  readonly opens?: boolean;
}

export interface RoundStore {
  /** Inside the transaction that applies the op. The newest of a run replaces the one before; one that was answered is none. */
  receive(task: LearnTask, nowMs: number): void;
  /** Not answered yet, oldest first. */
  held(): readonly HeldTask[];
  /** Is it still the newest of its run? */
  isHeld(task: LearnTask): boolean;
  /** Durable: it is begun once more, and for that model. */
  begin(task: LearnTask, model: string | undefined): Result<number>;
  /**
   * What the run has kept: for a task that trains as it was before its round, so that another attempt begins where the
   * first did; for any other as it is.
   */
  state(task: LearnTask): ReadonlyMap<string, Uint8Array>;
  /** Inside the transaction that makes the reply durable. */
  answered(task: LearnTask, answered: Answered): void;
  /** Of updates with local noise, of all runs of a model, as ρ. It outlives runs and consents. */
  spent(model: string): number;
  /** The last round of a run whose masked sum this device has helped to open, -1 for none; it outlives the run, too. */
  lastOpened(run: string): number;
  /** The run is over, or its data is no longer consented to: nothing of it stays. */
  forget(which: { readonly run: string } | { readonly model: string }): Result<void>;
  runs(): readonly KeptRun[];
}

/** Which task of a run it is: a repeated one changes nothing. */
export function taskKey({ round, attempt, work }: LearnTask): string {
  const detail = work.type === 'secure' ? work.stage : work.type === 'query' ? work.question : '';
  return `${round}.${attempt}.${work.type}.${detail}`;
}

/** Runs of which `lastOpened` knows. */
export const openedRunsMax = 256;
/** Of one run, all that its mods keep. */
export const stateBytesMax = 128 * 1024 * 1024;
/** Runs that are remembered; of more the one that was heard of longest ago is forgotten. */
export const runsMax = 8;
