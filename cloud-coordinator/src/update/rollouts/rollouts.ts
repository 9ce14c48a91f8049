// Rollouts at work: takes what devices report and what their heartbeats say, lets time pass, asks the gates, and tells
// devices what to run. All that it knows is in the logs, so it may be killed at any moment, and several may run on one
// database.

import { type Clock, type Log, ok, type Result } from '@skerry/shared';
import { alone, startClockwork } from '../../event-log/clockwork.ts';
import type { EventStore } from '../../event-log/event-store.ts';
import {
  passEveryMs,
  type Removed,
  type Retention,
  retentionDefaults,
} from '../../event-log/retention.ts';
import { claimsOver, isSuperseded } from './claims-over.ts';
import { createRollout, listAll } from './create-rollout.ts';
import { chunked, dueEvents } from './due-events.ts';
import { explainDevice, explainRollout } from './explain.ts';
import { drawnBy } from './fetch-line.ts';
import type { FleetState } from './fleet-state.ts';
import { heardFrom, joinedFrom } from './observe-fleet.ts';
import { fleetLine, planIssues } from './plan-issues.ts';
import type {
  AssignmentSigner,
  AssignmentStore,
  BundleDirectory,
  DeviceDirectory,
  FleetDevice,
} from './ports.ts';
import { planRetirement } from './retire-rollouts.ts';
import { openRolloutBook, type RolloutBook } from './rollout-book.ts';
import type { OpenRollout } from './rollout-log.ts';
import type { RolloutPlan } from './rollout-plan.ts';
import { type RolloutState, transition } from './rollout-state.ts';
import { sayFleet, sayIssues } from './say-assignments.ts';
import { type ReportsPorts, takeReports } from './take-reports.ts';

export interface RolloutsPorts {
  readonly store: EventStore;
  readonly assignments: AssignmentStore;
  readonly ops: ReportsPorts['ops'];
  readonly devices: DeviceDirectory;
  readonly bundles: BundleDirectory;
  readonly signer: AssignmentSigner;
  /** Logs that this process has removed. */
  readonly removed?: Removed;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Order {
  readonly by: string;
  readonly reason: string;
}

export interface Rollouts {
  /** Fails with `invalid_argument` and every obstacle where it could never end. */
  create(plan: RolloutPlan, by: string): Promise<Result<RolloutState>>;
  approve(id: string, by: string): Promise<Result<void>>;
  pause(id: string, order: Order): Promise<Result<void>>;
  resume(id: string, order: Order): Promise<Result<void>>;
  /** Nothing further; who has not confirmed goes back, who has keeps it. */
  abort(id: string, order: Order): Promise<Result<void>>;
  /** Everybody goes back, also who has confirmed, and the bundle is quarantined. */
  rollBack(id: string, order: Order): Promise<Result<void>>;
  /** For the whole fleet and every model, with no rollout: nothing is begun, and what is not confirmed goes back. */
  stop(order: Order): Promise<Result<void>>;
  resumeFleet(order: Order): Promise<Result<void>>;
  /** With no rollout: whoever runs it goes back to its other slot. */
  quarantine(bundle: string, order: Order): Promise<Result<void>>;
  release(bundle: string, order: Order): Promise<Result<void>>;
  get(id: string): RolloutState | undefined;
  /** In the order in which they began. */
  list(): readonly RolloutState[];
  fleet(): FleetState;
  /** Of a rollout, or of a device in each rollout that is about it. */
  why(name: string): readonly string[];
  /** One turn of the clockwork; the timer's, and a test's. */
  turn(): Promise<Result<void>>;
  close(): Promise<void>;
}

export interface RolloutsLimits {
  /** Without it nothing turns by itself. */
  readonly turnEveryMs?: number;
  /** Of logs of rollouts that have ended. */
  readonly retention?: Retention;
}

/** What is decided, apart from how it is written down and told: a simulation plants a bug in one of them. */
export interface Decisions {
  readonly transition: typeof transition;
  readonly due: typeof dueEvents;
  readonly plan: typeof planIssues;
}
export const decisions: Decisions = { transition, due: dueEvents, plan: planIssues };

/** Of one rollout in one turn: a verdict opens a wave, which is planned in the same turn. */
const roundsMax = 8;

/** Fails with what the store failed with. */
export async function openRollouts(
  ports: RolloutsPorts,
  { turnEveryMs, retention = retentionDefaults }: RolloutsLimits = {},
  decide: Decisions = decisions,
): Promise<Result<Rollouts>> {
  const { clock, log } = ports;
  const opened = await openRolloutBook(ports.store, decide.transition, clock, log);
  if (!opened.ok) return opened;
  const book = opened.value;
  // What a start before this one has written down and may not have said.
  for (const target of book.rollouts())
    for (const [device, { issues }] of target.log.state()?.members ?? [])
      if (issues > 0) target.unsaid.add(device);

  const { inTurn, turn, close } = startClockwork(
    'rollouts',
    createTurn(ports, decide, book, createRetiring(ports, book, retention)),
    turnEveryMs,
    ports,
  );

  type Ordered = 'paused' | 'resumed' | 'aborted' | 'rollback-ordered';
  const order = (kind: Ordered) => (id: string, given: Order) =>
    inTurn(() => book.order(id, (atMs) => ({ kind, atMs, ...given })));
  const rule = (kind: 'stopped' | 'resumed') => (given: Order) =>
    inTurn(() => book.rule({ kind, atMs: clock.nowMs(), ...given }));
  const judge = (kind: 'quarantined' | 'released') => (bundle: string, given: Order) =>
    inTurn(() => book.rule({ kind, atMs: clock.nowMs(), bundle, ...given }));

  return ok({
    create: (plan, by) => inTurn(() => createRollout(ports, book, plan, by)),
    approve: (id, by) => inTurn(() => book.order(id, (atMs) => ({ kind: 'approved', atMs, by }))),
    pause: order('paused'),
    resume: order('resumed'),
    abort: order('aborted'),
    rollBack: order('rollback-ordered'),
    stop: rule('stopped'),
    resumeFleet: rule('resumed'),
    quarantine: judge('quarantined'),
    release: judge('released'),
    get: (id) => book.find(id)?.log.state(),
    list: book.states,
    fleet: book.fleet,
    why: (name) => explain(book, name, clock.nowMs()),
    turn,
    close,
  });
}

function createTurn(
  ports: RolloutsPorts,
  decide: Decisions,
  book: RolloutBook,
  retire: Retiring,
): () => Promise<Result<void>> {
  /** How many of the fleet's changes everybody has been told; after a start, none. */
  let fleetSaid = -1;
  let unsaidFleet: readonly string[] = [];

  const sayRules = async (devices: readonly FleetDevice[]): Promise<Result<void>> => {
    const changes = book.fleetChanges();
    const whom = changes === fleetSaid ? unsaidFleet : devices.map(({ device }) => device);
    const told = await sayFleet(ports, whom, book.fleet());
    if (!told.ok) return told;
    fleetSaid = changes;
    unsaidFleet = told.value.left;
    return ok(undefined);
  };

  return async () => {
    const refreshed = await book.refresh();
    if (!refreshed.ok) return refreshed;
    const devices = await listAll(ports.devices);
    if (!devices.ok) return devices;
    // First and last: an emergency is told whatever else fails, and what this turn has quarantined with it. [ROL25]
    const turned = [await sayRules(devices.value), await takeReports(ports, book)];
    // The newest first: what it claims the older ones leave alone.
    for (const target of [...book.rollouts()].reverse())
      turned.push(await alone(() => turnOne(ports, decide, book, target, devices.value)));
    turned.push(await sayRules(devices.value));
    turned.push(await alone(() => retire(devices.value)));
    turned.push(await alone(book.fold));
    return turned.find(({ ok }) => !ok) ?? ok(undefined);
  };
}

type Retiring = (devices: readonly FleetDevice[]) => Promise<Result<void>>;

/** [ROL28] Now and then. Where a log cannot be read nobody knows what rests on the others. */
function createRetiring(
  { clock, removed = () => {} }: RolloutsPorts,
  book: RolloutBook,
  retention: Retention,
): Retiring {
  let nextMs = 0;
  return async (devices) => {
    const nowMs = clock.nowMs();
    if (nowMs < nextMs || book.aside().size > 0) return ok(undefined);
    nextMs = nowMs + passEveryMs;
    const ids = planRetirement(book.states(), devices, retention, nowMs);
    return ids.length === 0 ? ok(undefined) : book.remove(ids, removed);
  };
}

async function turnOne(
  ports: RolloutsPorts,
  decide: Decisions,
  book: RolloutBook,
  target: OpenRollout,
  devices: readonly FleetDevice[],
): Promise<Result<void>> {
  const others = book.states();
  for (let round = 0; round < roundsMax; round++) {
    const state = target.log.state();
    if (state === undefined || isSuperseded(state, others, devices)) return ok(undefined);
    // [ROL27] What it would take for a fault of its own may be the other's doing.
    if (book.heldBy(state) !== undefined) return ok(undefined);
    const nowMs = ports.clock.nowMs();
    const isClaimed = claimsOver(state, others);
    const free = devices.filter(({ device }) => !isClaimed(device));
    const news = [
      ...joinedFrom(state, free, nowMs),
      ...heardFrom(state, devices, isClaimed, nowMs),
    ];
    const isJudged = target.judged === state.members;
    const due = news.length > 0 ? news : decide.due(state, nowMs, isJudged);
    if (due.length === 0) target.judged = state.members;
    const written =
      due.length > 0
        ? await book.append(target, due)
        : await issue(decide.plan, target, state, book, isClaimed, nowMs);
    if (!written.ok) return written;
    if (!written.value) break; // Nothing to do, or another is at work here: what it has decided is read in the next turn.
  }
  const state = target.log.state();
  if (state === undefined || target.unsaid.size === 0) return ok(undefined);
  // After a start nobody is known to have been told: who is in a later one's hands is told by that one. [ROL16]
  const isClaimed = claimsOver(state, book.states());
  for (const device of target.unsaid) if (isClaimed(device)) target.unsaid.delete(device);
  const known = new Map(devices.map(({ device, deltas }) => [device, deltas]));
  const formsOf = (device: string) => known.get(device);
  const said = await sayIssues(ports, state, [...target.unsaid], book.fleet(), formsOf);
  if (!said.ok) return said;
  for (const device of said.value) target.unsaid.delete(device);
  return ok(undefined);
}

/** `false`: there is nothing to tell anybody now, or another was first; `again`: with the line as others have left it. */
function issue(
  plan: typeof planIssues,
  target: OpenRollout,
  state: RolloutState,
  book: RolloutBook,
  isClaimed: (device: string) => boolean,
  atMs: number,
): Promise<Result<boolean | 'again'>> {
  const { stopped } = book.fleet();
  const line = fleetLine(state, book.states(), book.line());
  const issues = plan(state, { isClaimed, line }, atMs).filter(
    // A stop holds back what is new, and never what turns a device back.
    ({ goal }) => stopped === undefined || goal === 'previous',
  );
  if (issues.length === 0) return Promise.resolve(ok(false));
  const events = chunked(issues).map((each) => ({ kind: 'issued' as const, atMs, issues: each }));
  const drawn = drawnBy(state.plan.id, issues, atMs);
  return drawn === undefined ? book.append(target, events) : book.draw(target, events, drawn);
}

function explain(book: RolloutBook, name: string, nowMs: number): readonly string[] {
  const rollout = book.find(name)?.log.state();
  const { stopped } = book.fleet();
  const unreadable = book.aside().get(name);
  const heldBy = rollout && book.heldBy(rollout);
  return [
    ...(unreadable === undefined ? [] : [`${name} is put aside: ${unreadable.reason}`]),
    ...(heldBy === undefined
      ? []
      : [`waits for ${heldBy}, which is put aside: its log must be mended`]),
    ...(stopped === undefined ? [] : [`the fleet is stopped by ${stopped.by}: ${stopped.reason}`]),
    ...(rollout === undefined ? [] : [explainRollout(rollout, nowMs)]),
    ...book.states().flatMap((state) => {
      const why = explainDevice(state, name, nowMs);
      return why === undefined ? [] : [`${state.plan.id}: ${why}`];
    }),
  ];
}
