// Where one model of this device stands with its update. A union of records, and one transition, which is all that is
// ever made durable; what is to be done next is plan-update.ts's.
//
//          assign          begun            fetched           staged              shadow-begun
//   idle ────────► assigned ────► fetching ────────► verified ──────► staged ─────────────────► shadowing
//                     │ begun, and it lies in a slot                 ▲  │ proceed                   │ shadow-passed
//                     └──────────────────────────────────────────────┘  ▼                           ▼
//                        confirmed ◄──────────── soaking ◄──────────── activating ◄─────────────────┘
//                                   confirmed             activated
//
//   failed, from every state under way ──► rolled-back ──► assigned (retry) │ quarantined │ refused (given up)
//   refuse, before anything runs       ──► refused            stop, from every state under way ──► stopped
//   fell-back: what should run does not start, and the place before it does         forbid: the director's quarantine
//
// What always holds: the active place has content that nobody has quarantined, if any place has; the place that was
// active before the candidate keeps its content until the candidate is confirmed; a newer assignment replaces an older
// in every state, and the same one twice changes nothing.

import type { Health } from '@skerry/sync-protocol/update';
import {
  type About,
  addEvidence,
  type Content,
  contentOf,
  type Evidence,
  freeSlot,
  type Goal,
  isBarred,
  isUnderWay,
  type ModelUpdate,
  type Moment,
  type Moved,
  type Place,
  placesBehind,
  type Reason,
  type ReasonCode,
  reasonCodes,
  type UnderWayState,
  type UpdateRecord,
} from './update-record.ts';

/** Tries of one bundle in one rollout. */
export const attemptsMax = 3;
/** Bundles whose tries are remembered. */
const attemptsKeptMax = 16;
/** Bundles of this device's own quarantine. */
const quarantinedKeptMax = 64;

export type UpdateEvent =
  | { readonly kind: 'assign'; readonly goal: Omit<Goal, 'attempt'> }
  | { readonly kind: 'stop'; readonly counter: number; readonly reason: Reason }
  | { readonly kind: 'forbid'; readonly counter: number; readonly bundles: readonly string[] }
  | { readonly kind: 'begun' }
  | { readonly kind: 'observed'; readonly evidence: Evidence }
  | { readonly kind: 'fetched'; readonly content: Content; readonly moved: Moved }
  | { readonly kind: 'staged' }
  | { readonly kind: 'shadow-begun' }
  | { readonly kind: 'shadow-passed'; readonly evidence: Evidence }
  | { readonly kind: 'proceed' }
  | { readonly kind: 'activated'; readonly baseline?: Health }
  | { readonly kind: 'confirmed'; readonly evidence: Evidence }
  | { readonly kind: 'failed'; readonly reason: Reason; readonly evidence?: Evidence }
  | { readonly kind: 'refuse'; readonly reason: Reason }
  | { readonly kind: 'retry' }
  | { readonly kind: 'give-up' }
  | { readonly kind: 'quarantine' }
  /** The process has begun; has lived for `shortLifeMs` with what runs; ends because somebody has stopped it. */
  | { readonly kind: 'restarted' | 'lasted' | 'left' }
  | { readonly kind: 'fell-back'; readonly to: Place; readonly reason: Reason };

export type Effect =
  /** Of the state that this transition has led to. */
  | { readonly kind: 'report' }
  /** Requests are answered from here on by what lies there. */
  | { readonly kind: 'serve'; readonly place: Place }
  /** Whatever is being done for the goal before is given up. */
  | { readonly kind: 'abandon' };

export interface Transition {
  readonly update: ModelUpdate;
  readonly effects: readonly Effect[];
}

export function transition(update: ModelUpdate, event: UpdateEvent, now: Moment): Transition {
  const { state } = update;
  const to = (next: UpdateRecord, more: Partial<ModelUpdate> = {}): Transition => ({
    update: { ...update, ...more, state: next },
    effects: [{ kind: 'report' }],
  });
  switch (event.kind) {
    case 'assign':
      return assign(update, event.goal, now);
    case 'stop':
      return stop(update, event, now);
    case 'forbid':
      return forbid(update, event, now);
    case 'fell-back':
      return fallBack(update, event, now);
    case 'restarted':
    case 'lasted':
    case 'left': {
      if (state.kind !== 'soaking') return ignored(update);
      const { restarts = 0 } = state;
      const counted = { restarted: restarts + 1, lasted: 0, left: Math.max(0, restarts - 1) };
      if (counted[event.kind] === restarts) return ignored(update);
      const next = { ...state, restarts: counted[event.kind] };
      return { update: { ...update, state: next }, effects: [] };
    }
    case 'observed':
      return state.kind === 'assigned'
        ? to({ ...state, evidence: event.evidence })
        : ignored(update);
    case 'begun':
      return state.kind === 'assigned' ? begin(update, state.goal, now) : ignored(update);
    case 'fetched': {
      if (state.kind !== 'fetching') return ignored(update);
      const slot = freeSlot(update);
      const { content, moved } = event;
      const next = {
        kind: 'verified',
        goal: state.goal,
        since: now,
        slot,
        content,
        moved,
      } as const;
      // Emptied before a byte of it is written: so what the record says of a slot is true after every crash.
      const { previous, ...rest } = update;
      const kept = previous === undefined || previous === slot ? {} : { previous };
      const slots = { ...update.slots, [slot]: undefined };
      return { update: { ...rest, ...kept, slots, state: next }, effects: [{ kind: 'report' }] };
    }
    case 'staged': {
      if (state.kind !== 'verified') return ignored(update);
      const { goal, slot, moved, content } = state;
      const slots = { ...update.slots, [slot]: content };
      return to({ kind: 'staged', goal, slot, moved, since: now }, { slots });
    }
    case 'shadow-begun':
      return state.kind === 'staged'
        ? to({ ...state, kind: 'shadowing', since: now })
        : ignored(update);
    case 'shadow-passed':
      return state.kind === 'shadowing'
        ? to({ ...state, kind: 'activating', since: now, evidence: event.evidence })
        : ignored(update);
    case 'proceed':
      return state.kind === 'staged' || state.kind === 'shadowing'
        ? to({ ...state, kind: 'activating', since: now, evidence: {} })
        : ignored(update);
    case 'activated': {
      if (state.kind !== 'activating') return ignored(update);
      const { baseline } = event;
      const evidence = { ...state.evidence, ...(baseline && { baseline }) };
      // Where it runs already and was never confirmed, the place before it stays that.
      const moved = state.slot === update.active ? {} : { previous: update.active };
      const next = to(
        { ...state, kind: 'soaking', since: now, evidence },
        { active: state.slot, ...moved },
      );
      return { ...next, effects: [...next.effects, { kind: 'serve', place: state.slot }] };
    }
    case 'confirmed': {
      if (state.kind !== 'soaking') return ignored(update);
      const { goal, moved } = state;
      const evidence = addEvidence(state.evidence, event.evidence);
      const next: UpdateRecord = { kind: 'confirmed', goal, moved, since: now, evidence };
      const content = state.slot === 'factory' ? undefined : update.slots[state.slot];
      if (content === undefined) return to(next);
      const slots = { ...update.slots, [state.slot]: { ...content, confirmed: true } };
      return to(next, { slots });
    }
    case 'failed':
      return isUnderWay(state) ? fail(update, state, event, now) : ignored(update);
    case 'refuse':
      return isUnderWay(state) && state.kind !== 'soaking'
        ? to({ kind: 'refused', goal: aboutOf(state.goal), since: now, reason: event.reason })
        : ignored(update);
    case 'retry':
      return state.kind === 'rolled-back'
        ? to({
            kind: 'assigned',
            goal: { ...state.goal, attempt: state.goal.attempt + 1 },
            since: now,
          })
        : ignored(update);
    case 'give-up': {
      if (state.kind !== 'rolled-back') return ignored(update);
      const { goal, reason, ran } = state;
      const { code, message } = reason;
      const given = {
        code: 'attempts',
        message: `given up after ${goal.attempt}: ${code}, ${message}`,
      } as const;
      const ended = { goal: aboutOf(goal), since: now, reason: given };
      // The link's or the disk's fault is no bundle's.
      return ran
        ? to(
            { kind: 'quarantined', ...ended },
            { quarantined: addTo(update.quarantined, goal.bundle) },
          )
        : to({ kind: 'refused', ...ended });
    }
    case 'quarantine':
      return state.kind === 'rolled-back'
        ? to(
            { kind: 'quarantined', goal: aboutOf(state.goal), since: now, reason: state.reason },
            { quarantined: addTo(update.quarantined, state.goal.bundle) },
          )
        : ignored(update);
  }
}

const ignored = (update: ModelUpdate): Transition => ({ update, effects: [] });

function assign(update: ModelUpdate, given: Omit<Goal, 'attempt'>, now: Moment): Transition {
  const { state } = update;
  if (state.kind !== 'idle' && given.counter <= state.goal.counter && !isInPlaceOf(state, given))
    return ignored(update);
  const { bundle, terms } = given;
  if (isUnderWay(state) && !isBarred(update, bundle) && isSameGoal(state.goal, given)) {
    const { fetchDelayMs, activateDelayMs, taken, attempt } = state.goal;
    const goal: Goal = { ...given, fetchDelayMs, activateDelayMs, taken, attempt };
    return { update: { ...update, state: { ...state, goal } }, effects: [{ kind: 'report' }] };
  }
  const left = leaveCandidate(update);
  const effects: Effect[] = [{ kind: 'abandon' }, ...left.effects, { kind: 'report' }];
  const before = left.update;
  const attempt = attemptsOf(before, given) + 1;
  const goal: Goal = { ...given, attempt: Math.min(attempt, attemptsMax) };
  const refuse = (code: ReasonCode, message: string): Transition => {
    const reason = { code, message };
    const next: UpdateRecord = { kind: 'refused', goal: aboutOf(goal), since: now, reason };
    return { update: { ...before, state: next }, effects };
  };
  if (isBarred(before, bundle)) return refuse('quarantined', 'this bundle is in quarantine');
  const running = contentOf(before, before.active);
  // What runs as the last resort was never judged: it soaks as any other.
  const isJudged = before.active === 'factory' || running?.confirmed;
  if (running && isJudged && isContent(running, bundle, terms.variant)) {
    const next: UpdateRecord = {
      kind: 'confirmed',
      goal,
      since: now,
      moved: nothingMoved,
      evidence: {},
    };
    return { update: { ...before, state: next }, effects };
  }
  if (attempt > attemptsMax) return refuse('attempts', `${attemptsMax} tries have failed`);
  return { update: { ...before, state: { kind: 'assigned', goal, since: now } }, effects };
}

/** One assignment may quarantine what runs and say what shall run instead. */
const isInPlaceOf = (
  state: Exclude<UpdateRecord, { kind: 'idle' }>,
  { bundle, counter }: Pick<About, 'bundle' | 'counter'>,
): boolean =>
  state.kind === 'quarantined' &&
  state.reason.code === 'forbidden' &&
  state.goal.counter === counter &&
  state.goal.bundle !== bundle;

const isSameGoal = (one: Goal, other: Omit<Goal, 'attempt'>): boolean =>
  one.bundle === other.bundle && one.terms.variant === other.terms.variant;

const isContent = (content: Content, bundle: string, variant: string | undefined): boolean =>
  content.bundle === bundle && (variant === undefined || content.variant === variant);

const nothingMoved: Moved = { bytes: 0, fullBytes: 0, way: 'none' };

/** The try counts from here on: what has not begun costs nothing. */
function begin(update: ModelUpdate, goal: Goal, now: Moment): Transition {
  const kept = update.attempts.filter(({ bundle }) => bundle !== goal.bundle);
  const tried = { bundle: goal.bundle, rollout: goal.rollout, count: goal.attempt };
  const attempts = [...kept, tried].slice(-attemptsKeptMax);
  const place = (['a', 'b', 'factory'] as const).find((at) => {
    const content = contentOf(update, at);
    return content !== undefined && isContent(content, goal.bundle, goal.terms.variant);
  });
  const state: UpdateRecord =
    place === undefined
      ? { kind: 'fetching', goal, since: now }
      : { kind: 'staged', goal, since: now, slot: place, moved: nothingMoved };
  return { update: { ...update, attempts, state }, effects: [{ kind: 'report' }] };
}

function fail(
  update: ModelUpdate,
  state: UnderWayState,
  { reason, evidence = {} }: Extract<UpdateEvent, { kind: 'failed' }>,
  now: Moment,
): Transition {
  const { goal } = state;
  const left = leaveCandidate(update);
  const before = 'evidence' in state ? state.evidence : {};
  const ran = state.kind === 'soaking';
  const isBundles = reasonCodes[reason.code] === 'bundle';
  const next: UpdateRecord = {
    kind: 'rolled-back',
    goal,
    since: now,
    reason,
    ran,
    evidence: addEvidence(before, evidence),
  };
  return {
    update: {
      ...left.update,
      state: next,
      // Already here, for an assignment may come before the next transition.
      ...(isBundles ? { quarantined: addTo(update.quarantined, goal.bundle) } : {}),
    },
    effects: [{ kind: 'abandon' }, ...left.effects, { kind: 'report' }],
  };
}

/** What is active and not confirmed makes way for what was before. */
function leaveCandidate(update: ModelUpdate): Transition {
  const { state, active } = update;
  if (!('slot' in state) || state.slot !== active) return ignored(update);
  const [place] = placesBehind(update, active);
  if (place === undefined) return ignored(update);
  const { previous: _, ...rest } = update;
  return { update: { ...rest, active: place }, effects: [{ kind: 'serve', place }] };
}

function stop(
  update: ModelUpdate,
  { counter, reason }: Extract<UpdateEvent, { kind: 'stop' }>,
  now: Moment,
): Transition {
  const { state } = update;
  if (!isUnderWay(state) && state.kind !== 'rolled-back') return ignored(update);
  if (counter <= state.goal.counter) return ignored(update);
  const left = leaveCandidate(update);
  const goal = { ...aboutOf(state.goal), counter };
  return {
    update: { ...left.update, state: { kind: 'stopped', goal, since: now, reason } },
    effects: [{ kind: 'abandon' }, ...left.effects, { kind: 'report' }],
  };
}

function forbid(
  before: ModelUpdate,
  { counter, bundles }: Extract<UpdateEvent, { kind: 'forbid' }>,
  now: Moment,
): Transition {
  const isSame =
    bundles.length === before.forbidden.length &&
    bundles.every((bundle, i) => bundle === before.forbidden[i]);
  const update: ModelUpdate = isSame
    ? before
    : { ...releaseLooped(before, bundles), forbidden: bundles };
  const { state, active } = update;
  const reason = { code: 'forbidden', message: 'the director has quarantined it' } as const;
  const running = contentOf(update, active);
  const [place] = placesBehind(update, active);
  const mustLeave = running !== undefined && bundles.includes(running.bundle);
  if (mustLeave && place !== undefined) {
    const { bundle, version } = running;
    const known =
      state.kind !== 'idle' && state.goal.bundle === bundle ? aboutOf(state.goal) : undefined;
    const goal = { ...(known ?? { bundle, version, attempt: 1 }), counter };
    const { previous: _, ...rest } = update;
    return {
      update: { ...rest, active: place, state: { kind: 'quarantined', goal, since: now, reason } },
      effects: [{ kind: 'abandon' }, { kind: 'serve', place }, { kind: 'report' }],
    };
  }
  if (!isUnderWay(state) || !bundles.includes(state.goal.bundle)) return ignored(update);
  const goal = { ...aboutOf(state.goal), counter };
  return {
    update: { ...update, state: { kind: 'quarantined', goal, since: now, reason } },
    effects: [{ kind: 'abandon' }, { kind: 'report' }],
  };
}

/** What the director has quarantined and does no longer may be tried again, if only a crash loop spoke against it here. */
function releaseLooped(update: ModelUpdate, bundles: readonly string[]): ModelUpdate {
  const { looped = [], forbidden, quarantined } = update;
  const released = looped.filter((one) => forbidden.includes(one) && !bundles.includes(one));
  const stays = (one: string): boolean => !released.includes(one);
  if (released.length === 0) return update;
  return { ...update, quarantined: quarantined.filter(stays), looped: looped.filter(stays) };
}

/** At start: `active` did not load, or has ended the process again and again; `to` runs. */
function fallBack(
  update: ModelUpdate,
  { to, reason }: Extract<UpdateEvent, { kind: 'fell-back' }>,
  now: Moment,
): Transition {
  const { active, state, previous: _, ...rest } = update;
  const gone = contentOf(update, active);
  if (to === active) return ignored(update);
  const isBundles = gone !== undefined && reasonCodes[reason.code] === 'bundle';
  const next: ModelUpdate = {
    ...rest,
    state,
    active: to,
    slots: reason.code === 'damaged' ? { ...update.slots, [active]: undefined } : update.slots,
    quarantined: isBundles ? addTo(update.quarantined, gone.bundle) : update.quarantined,
    ...(isBundles && reason.code === 'crash-loop'
      ? { looped: addTo(update.looped ?? [], gone.bundle) }
      : {}),
  };
  const isHeld = 'slot' in state && state.slot === active;
  if (!isHeld && (state.kind !== 'confirmed' || state.goal.bundle !== gone?.bundle))
    return { update: next, effects: [] };
  const { goal } = state;
  const evidence = 'evidence' in state ? state.evidence : {};
  return {
    update: {
      ...next,
      state: { kind: 'rolled-back', goal, since: now, reason, ran: true, evidence },
    },
    effects: [{ kind: 'report' }],
  };
}

function aboutOf({ bundle, version, counter, attempt, rollout }: About): About {
  return { bundle, version, counter, attempt, ...(rollout === undefined ? {} : { rollout }) };
}

/** Another rollout of the same bundle is another matter: somebody has mended what was in its way. */
const attemptsOf = (
  update: ModelUpdate,
  { bundle, rollout }: Pick<About, 'bundle' | 'rollout'>,
): number =>
  update.attempts.find((tried) => tried.bundle === bundle && tried.rollout === rollout)?.count ?? 0;

const addTo = (bundles: readonly string[], bundle: string): readonly string[] =>
  [...bundles.filter((other) => other !== bundle), bundle].slice(-quarantinedKeptMax);
