// What a learning run is at a moment: the fold of its log (fold-run.ts).
//
//   created ─▶ selecting ─▶ training ─▶ aggregating ─▶ [selecting ─▶ evaluating ─▶ aggregating] ─▶ selecting … ─▶ completed
//                 ▲  │         │             │
//                 │  └─────────┴─────────────┘ too few, too late, not to be added: the next attempt, attemptsMax of them
//                 └──────────────────┘
//   a query: selecting ─▶ querying ─▶ aggregating ─▶ completed
//   after the last round: publishing ─▶ releasing ─▶ completed, where the plan wants a version of it, and it rolled out
//   and from each of them: stopped, by an operator · failed, with the reason
//
// An asynchronous run stays in `training`: who has answered makes room for another, and each full buffer is the next model.
// Each phase that is not final ends by a time of its own, if by nothing else.

import type { BlobRef } from '@skerry/sync-protocol/blobs';
import type { LearnPlan, QueryPlan } from '@skerry/sync-protocol/learn';
import type { MaskedStage } from '../masking/index.ts';
import type { Ledger, Mechanism } from '../privacy/index.ts';
import type { Tally } from '../queries/index.ts';
import type { Evaluation, Outcome, RoundModel, RunEventOf, WorkKind } from './run-event.ts';
import type { RunPlan } from './run-plan.ts';

interface Wait {
  readonly sinceMs: number;
  readonly untilMs: number;
}
/** What is under way. */
interface Step extends Wait {
  readonly work: WorkKind;
  readonly round: number;
  readonly attempt: number;
}
export type Phase =
  /** Waits for devices that may be asked. */
  | (Step & { readonly kind: 'selecting' })
  /** Waits for their replies. */
  | (Step & { readonly kind: 'training' })
  | (Step & { readonly kind: 'evaluating' })
  | (Step & { readonly kind: 'querying' })
  /** Waits for this coordinator itself. */
  | (Step & {
      readonly kind: 'aggregating';
      /** Where a masked round stands: devices answer, and the sum is not there yet. */
      readonly masked?: MaskedStage;
    })
  /** The candidate is being made. */
  | (Wait & { readonly kind: 'publishing' })
  /** It waits for signatures, and then is rolled out. */
  | (Wait & { readonly kind: 'releasing' })
  | { readonly kind: 'completed'; readonly sinceMs: number }
  | {
      readonly kind: 'stopped' | 'failed';
      readonly sinceMs: number;
      readonly reason: string;
      readonly by?: string;
    };
export type ActivePhase = Extract<Phase, Wait>;
/** Of a round. */
export type RoundPhase = Extract<Phase, Step>;

export type Progress =
  | { readonly kind: 'asked' }
  /** What came of it, and by which op. */
  | (Outcome & { readonly op: number })
  /** Enough had answered before it. */
  | { readonly kind: 'surplus'; readonly op: number };

/** A device that was asked. */
export interface Member {
  readonly work: WorkKind;
  readonly round: number;
  readonly attempt: number;
  readonly cohort: string;
  readonly tellAtMs: number;
  readonly untilMs: number;
  /** What it is given, whatever model there is when it fetches. */
  readonly given: Omit<RoundModel, 'state'>;
  readonly progress: Progress;
}

/** What a round has come to. */
export interface RoundSummary {
  /** Of the model that it made: the first is 1. */
  readonly round: number;
  readonly atMs: number;
  /** How often it was begun. */
  readonly attempts: number;
  readonly clients: number;
  readonly used: number;
  readonly quarantined: number;
  readonly deltaNorm: number;
  readonly stepNorm: number;
  /** As the clients say. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly federated?: Evaluation;
  readonly central?: Readonly<Record<string, number>>;
  /** Spent up to and with it. */
  readonly epsilon?: number;
  /** Of a masked private round: z of its sum as it came out. */
  readonly noiseMultiplier?: number;
}

/** What a private run has spent, and the norm to which its next round clips. */
export interface PrivacyState {
  readonly ledger: Ledger;
  readonly clip: number;
  /** What a round costs. */
  readonly mechanism: Mechanism;
}

/** What is in the registry. */
export interface Candidate {
  readonly version: string;
  readonly manifest: BlobRef;
  readonly before: number;
  readonly after: number;
  readonly rollout?: string;
}

export interface RunState {
  readonly plan: RunPlan;
  readonly by: string;
  readonly createdMs: number;
  readonly base: RunEventOf<'created'>['base'];
  readonly learn: LearnPlan;
  /** What devices are asked, where they do not train. */
  readonly query: QueryPlan | undefined;
  readonly asynchronous: boolean;
  readonly model: RoundModel;
  /** How many models came before this one. */
  readonly round: number;
  readonly phase: Phase;
  readonly members: ReadonlyMap<string, Member>;
  /** When each was asked whose work came, of rounds that have ended and of this attempt. */
  readonly askedMs: ReadonlyMap<string, number>;
  /** Up to when the moments of telling are given away. */
  readonly nextTellMs: number;
  /** Quarantined updates since the last model. */
  readonly quarantined: number;
  /** Who has revealed shares in this round: they take no part in a further attempt of it. [MSK3] */
  readonly opened: ReadonlySet<string>;
  readonly attempts: number;
  readonly history: readonly RoundSummary[];
  /** Why the last attempt was no round, or what a completed run has not come to. */
  readonly setback: string | undefined;
  readonly candidate: Candidate | undefined;
  readonly tally: Tally | undefined;
  readonly privacy: PrivacyState | undefined;
}

export const isActive = (phase: Phase): phase is ActivePhase => 'untilMs' in phase;
export const isOfRound = (phase: Phase): phase is RoundPhase => 'work' in phase;

/** How many have answered as they should. */
export const answered = (state: RunState, work: WorkKind): number =>
  [...state.members.values()].filter(({ progress }) => progress.kind === doneAs(state, work))
    .length;

/** Who trains, or is asked, in a masked round shows keys instead of what came of it. */
export function doneAs({ plan }: RunState, work: WorkKind): Outcome['kind'] {
  if (work === 'evaluate') return 'evaluated';
  if (plan.masking !== undefined) return 'keyed';
  return work === 'train' ? 'trained' : 'queried';
}

/** When so many have answered, nobody else is waited for. */
export function goalOf({ plan, members }: RunState, work: WorkKind): number {
  if (work === 'evaluate') return plan.evaluate?.clients ?? 0;
  // Whom chance has chosen is in the sample, or the accountant's sample is another one.
  return plan.sampling.kind === 'poisson' ? members.size : plan.clients.target;
}
