// Where one device stands in a rollout, as far as the coordinator has been told.
//
//   waiting ──issued──▶ issued ──report──▶ under-way ──confirmed, and its heartbeat agrees──▶ succeeded
//      ▲                  │ lapsed             │ rolled back, or silent after it had begun ──▶ failed
//      └──── withdrawn ◀──┘                    └ refused ──▶ refused
//   any that was told the candidate ──the rollout turns back──▶ reverting ──heard on another bundle──▶ safe
//                                                            └ refused it before ──▶ safe
//
// What never holds: that silence is a success, or that a device which was not reached has failed.

import type { Arm, Health, UpdateState } from '@skerry/sync-protocol/update';
import type { RolloutEvent } from './rollout-event.ts';

export type Progress =
  | { readonly kind: 'waiting' }
  | {
      readonly kind: 'issued';
      readonly atMs: number;
      readonly fetchAtMs: number;
      readonly activateAtMs: number;
    }
  | {
      readonly kind: 'under-way';
      readonly state: UpdateState;
      readonly sinceMs: number;
      /** When the device may have begun to fetch, and to activate: what it waits for is no delay of its own. */
      readonly fetchAtMs: number;
      readonly activateAtMs: number;
    }
  /** `already`: it ran the candidate before it was asked, which proves nothing. */
  | { readonly kind: 'succeeded'; readonly atMs: number; readonly already: boolean }
  /** `told`: by the device, or inferred from its silence, which a late report can mend. */
  | {
      readonly kind: 'failed';
      readonly atMs: number;
      readonly reason: string;
      readonly told: boolean;
    }
  | { readonly kind: 'refused'; readonly atMs: number; readonly reason: string }
  /** The other arm of an experiment: it keeps the incumbent. */
  | { readonly kind: 'control' }
  | {
      readonly kind: 'reverting';
      readonly sinceMs: number;
      readonly toldMs: number | undefined;
      /** How often it was told and has not answered, since it was last away. */
      readonly unheeded?: number;
      /** Why it stays, in its own words: it has nothing else that runs. */
      readonly stays?: string;
    }
  | { readonly kind: 'safe'; readonly atMs: number };

export interface Member {
  readonly site: string;
  /** Its own, by the hash of its name; it never changes. */
  readonly wave: number;
  readonly online: boolean;
  /** By its latest heartbeat. */
  readonly running: string | undefined;
  /** What it ran before it was told the candidate. */
  readonly previous: string | undefined;
  /** Of this rollout: the number names the latest. */
  readonly issues: number;
  readonly goal: 'candidate' | 'previous' | undefined;
  readonly progress: Progress;
  readonly arm: Arm | undefined;
  /** What its update has come to, also when it has gone back since. */
  readonly outcome: 'succeeded' | 'failed' | undefined;
  /** The latest report that counted. */
  readonly lastOp: number;
  /** The candidate's, the latest that it told, and the incumbent's before. */
  readonly health: Health | undefined;
  readonly baseline: Health | undefined;
}

type EventOf<Kind extends RolloutEvent['kind']> = Extract<RolloutEvent, { kind: Kind }>;
type Joining = EventOf<'joined'>['members'][number];
type Issue = EventOf<'issued'>['issues'][number];
type Report = EventOf<'reported'>['reports'][number];
type Heard = EventOf<'heard'>['devices'][number];

export function join(
  { site, wave, online, running }: Joining,
  candidate: string,
  atMs: number,
): Member {
  return {
    site,
    wave,
    online,
    running,
    previous: undefined,
    issues: 0,
    goal: undefined,
    progress:
      running === candidate ? { kind: 'succeeded', atMs, already: true } : { kind: 'waiting' },
    arm: undefined,
    outcome: undefined,
    lastOp: 0,
    health: undefined,
    baseline: undefined,
  };
}

export function issue(member: Member, issued: Issue, candidate: string, atMs: number): Member {
  const { goal, fetchAtMs, activateAtMs } = issued;
  const told = { ...member, goal, issues: member.issues + 1 };
  const { progress } = member;
  if (goal === 'previous')
    return progress.kind === 'reverting'
      ? { ...told, progress: { ...progress, toldMs: atMs } }
      : told;
  // Who has it already is told so that its goal is true, and goes on.
  if (progress.kind !== 'waiting') return told;
  const previous = member.running === candidate ? member.previous : member.running;
  return { ...told, previous, progress: { kind: 'issued', atMs, fetchAtMs, activateAtMs } };
}

export function report(member: Member, told: Report, candidate: string, atMs: number): Member {
  if (told.op <= member.lastOp) return member;
  const heard: Member = {
    ...member,
    lastOp: told.op,
    health: told.health ?? member.health,
    baseline: told.baseline ?? member.baseline,
    arm: told.arm ?? member.arm,
    running: told.running ?? member.running,
  };
  return withOutcome({ ...heard, progress: progressAfter(heard, told, candidate, atMs) });
}

function progressAfter(member: Member, told: Report, candidate: string, atMs: number): Progress {
  const { progress } = member;
  const reason = told.reason ?? '';
  if (progress.kind === 'safe') return progress;
  if (progress.kind === 'reverting') {
    if (told.running === candidate)
      return told.state === 'quarantined' ? { ...progress, stays: reason } : progress;
    // What it let go of before it was told it may take up again by its own next try, unless it never runs it again.
    const isOver =
      progress.toldMs === undefined ? told.state === 'quarantined' : over.has(told.state);
    return isOver ? { kind: 'safe', atMs } : progress;
  }
  if (told.arm === 'control') return { kind: 'control' };
  switch (told.state) {
    case 'confirmed':
      if (told.running !== undefined && told.running !== candidate)
        return failed(atMs, `it confirmed, and runs ${told.running}`);
      // Its heartbeat must say the same before it counts.
      return underWay(progress, 'confirmed', atMs);
    case 'rolled-back':
      // The link's fault, or the disk's: it tries again by itself, and says so when it has given up.
      if (told.code !== undefined && passingCodes.has(told.code))
        return underWay(progress, 'rolled-back', atMs);
      return ended(progress, reason === '' ? told.state : reason, atMs);
    case 'quarantined':
      return ended(progress, reason === '' ? told.state : reason, atMs);
    case 'refused':
      // Given up after tries that had begun.
      return told.code === 'attempts'
        ? ended(progress, reason, atMs)
        : { kind: 'refused', atMs, reason };
    case 'stopped':
      return { kind: 'waiting' };
    default:
      return underWay(progress, told.state, atMs);
  }
}

/** What a device calls its own fault or the link's (its reasonCodes), and no bundle's. */
const passingCodes: ReadonlySet<string> = new Set([
  'timeout',
  'storage',
  'link',
  'damaged',
  'insufficient-data',
]);

const ended = (progress: Progress, reason: string, atMs: number): Progress =>
  progress.kind === 'failed' && progress.told ? progress : failed(atMs, reason);

/** The states in which a device has let go of a bundle. */
const over: ReadonlySet<UpdateState> = new Set([
  'refused',
  'stopped',
  'rolled-back',
  'quarantined',
]);

const failed = (atMs: number, reason: string): Progress => ({
  kind: 'failed',
  atMs,
  reason,
  told: true,
});

const underWay = (progress: Progress, state: UpdateState, atMs: number): Progress => ({
  kind: 'under-way',
  state,
  sinceMs: atMs,
  ...(progress.kind === 'issued' || progress.kind === 'under-way'
    ? { fetchAtMs: progress.fetchAtMs, activateAtMs: progress.activateAtMs }
    : { fetchAtMs: atMs, activateAtMs: atMs }),
});

function withOutcome(member: Member): Member {
  const { progress } = member;
  if (progress.kind === 'failed') return { ...member, outcome: 'failed' };
  const isSuccess = progress.kind === 'succeeded' && !progress.already;
  return isSuccess ? { ...member, outcome: 'succeeded' } : member;
}

export function hear(member: Member, said: Heard, candidate: string, atMs: number): Member {
  return withOutcome(heardOf(member, said, candidate, atMs));
}

function heardOf(
  member: Member,
  { online, running, seenMs }: Heard,
  candidate: string,
  atMs: number,
): Member {
  const { progress } = member;
  const heard = { ...member, online, running: running ?? member.running };
  const runs = heard.running === candidate;
  if (progress.kind === 'under-way' && progress.state === 'confirmed' && runs)
    return { ...heard, progress: { kind: 'succeeded', atMs, already: false } };
  if (progress.kind === 'succeeded' && running !== undefined && !runs)
    return {
      ...heard,
      progress: progress.already ? { kind: 'waiting' } : failed(atMs, `it runs ${running} again`),
    };
  if (progress.kind === 'safe' && runs)
    return { ...heard, progress: { kind: 'reverting', sinceMs: atMs, toldMs: undefined } };
  if (answersRevert(member, running, seenMs) && !runs)
    return { ...heard, progress: { kind: 'safe', atMs } };
  // It may have been mended: whoever comes back is told anew, if it does not answer what waits for it.
  if (progress.kind === 'reverting' && online && !member.online) {
    const { stays: _, unheeded: __, ...waited } = progress;
    return { ...heard, progress: waited };
  }
  return heard;
}

/**
 * Only who has spoken since it was told can have heard it, and only who says what it runs has answered; of who has never
 * run the model that is nothing.
 */
export function answersRevert(
  { progress, running }: Member,
  runs: string | undefined,
  seenMs: number,
): boolean {
  return (
    progress.kind === 'reverting' &&
    progress.toldMs !== undefined &&
    seenMs > progress.toldMs &&
    (runs !== undefined || running === undefined)
  );
}

/** A device that is there and does not go back is told so often, and again when it has been away. */
export const tellsMax = 5;

/** Nothing is waited for, and nothing more is said. [ROL8] */
export const isLeft = ({ progress }: Member): boolean =>
  progress.kind === 'reverting' &&
  (progress.stays !== undefined || (progress.unheeded ?? 0) >= tellsMax);

export function lapse(member: Member, atMs: number): Member {
  const { progress } = member;
  if (progress.kind === 'issued') return { ...member, progress: { kind: 'waiting' } };
  if (progress.kind === 'reverting') {
    const unheeded = (progress.unheeded ?? 0) + 1;
    const toldMs = unheeded < tellsMax ? undefined : progress.toldMs;
    return { ...member, progress: { ...progress, toldMs, unheeded } };
  }
  if (progress.kind !== 'under-way') return member;
  if (progress.state === 'assigned') return { ...member, progress: { kind: 'waiting' } };
  const reason =
    progress.state === 'confirmed'
      ? 'it confirmed, and no heartbeat ever said that it runs the candidate'
      : `silent since it was ${progress.state}`;
  return withOutcome({ ...member, progress: { kind: 'failed', atMs, reason, told: false } });
}

/** The rollout turns back: whoever may hold the candidate must be heard on another bundle. */
export function revert(member: Member, candidate: string, atMs: number): Member {
  // The other arm holds nothing; what it has told stays.
  if (!mayHold(member) || member.progress.kind === 'control') return member;
  // It has said that it will not: nothing is to be waited for, though it is told that it need not any more.
  if (member.progress.kind === 'refused' && member.running !== candidate)
    return { ...member, progress: { kind: 'safe', atMs } };
  return { ...member, progress: { kind: 'reverting', sinceMs: atMs, toldMs: undefined } };
}

/** A device that runs it already is no exception: a quarantine holds for all. */
export function mayHold({ progress, issues }: Member): boolean {
  return issues > 0 || (progress.kind === 'succeeded' && progress.already);
}

/** What has not been taken is withdrawn: the planner sees a goal that is not wanted. */
export function withdraw(member: Member): Member {
  return member.progress.kind === 'issued' ? { ...member, progress: { kind: 'waiting' } } : member;
}
