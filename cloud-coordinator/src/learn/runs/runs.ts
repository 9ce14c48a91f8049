// Learning runs at work: takes what devices reply, lets time pass, puts rounds together, and tells devices what they are
// asked. All that it knows is in the logs and in blobs that these name, so it may be killed at any moment, and several may
// run on one database.

import { type Clock, type Log, ok, type Result } from '@skerry/shared';
import type { RandomBytes } from '@skerry/shared/privacy';
import { alone, startClockwork } from '../../event-log/clockwork.ts';
import type { EventStore } from '../../event-log/event-store.ts';
import {
  passEveryMs,
  type Removed,
  type Retention,
  retentionDefaults,
} from '../../event-log/retention.ts';
import { aggregateRound, evaluateRound } from './aggregate-round.ts';
import { type CreateRunPorts, createRun } from './create-run.ts';
import { dueStep, type Fleet, type Step } from './due-step.ts';
import { explainClient, explainRun } from './explain-run.ts';
import { transition } from './fold-run.ts';
import { createJobs, type Jobs } from './jobs.ts';
import { type MaskRoundPorts, maskRound } from './mask-round.ts';
import { sweepModels } from './model-blobs.ts';
import type { Candidates, LearnDevices } from './ports.ts';
import { planRunRetirement } from './retire-runs.ts';
import { type OpenRun, openRunBook, type RunBook, type Written } from './run-book.ts';
import type { RunEvent } from './run-event.ts';
import type { RunPlan } from './run-plan.ts';
import { isActive, type RunState } from './run-state.ts';
import { sayQuestions, sayTasks } from './say-tasks.ts';
import { type RepliesPorts, takeReplies } from './take-replies.ts';
import { tallyRound } from './tally-round.ts';

export interface RunsPorts extends RepliesPorts, CreateRunPorts, MaskRoundPorts {
  readonly store: EventStore;
  readonly devices: LearnDevices;
  /** That nobody can foresee: of private runs. */
  readonly chance: RandomBytes;
  readonly written?: Written;
  /** Logs that this process has removed. */
  readonly removed?: Removed;
  /** Absent: runs end with their weights. */
  readonly candidates?: Candidates;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Order {
  readonly by: string;
  readonly reason: string;
}

export interface LearnRuns {
  /** Fails with `invalid_argument` and every obstacle where it could never end. */
  start(plan: RunPlan, by: string): Promise<Result<RunState>>;
  /** Nothing further; what has been learned so far is kept. */
  stop(id: string, order: Order): Promise<Result<void>>;
  get(id: string): RunState | undefined;
  /** In the order in which they began. */
  list(): readonly RunState[];
  /** Of a run, or of a device in each run that is under way. */
  why(name: string): readonly string[];
  /** All that happened to a run. Fails with `not_found`. */
  history(id: string): Promise<Result<readonly RunEvent[]>>;
  /** One turn of the clockwork; the timer's, and a test's. */
  turn(): Promise<Result<void>>;
  close(): Promise<void>;
}

export interface RunsLimits {
  /** Without it nothing turns by itself. */
  readonly turnEveryMs?: number;
  /** Of logs of runs that have ended. */
  readonly retention?: Retention;
}

/** Of one run in one turn. */
const stepsMax = 16;

/** Fails with what the store failed with. */
export async function openRuns(
  ports: RunsPorts,
  { turnEveryMs, retention = retentionDefaults }: RunsLimits = {},
): Promise<Result<LearnRuns>> {
  const { clock, log } = ports;
  const opened = await openRunBook(ports.store, transition, log, ports.written);
  if (!opened.ok) return opened;
  const book = opened.value;
  const swept = await sweepModels(ports, book.states(), book.aside());
  if (!swept.ok) return swept;
  // Who is late for one of these is told once more that it is over.
  for (const { plan, phase } of book.states()) {
    const forgotten = isActive(phase) ? ok(undefined) : await ports.tasks.forget(plan.id);
    if (!forgotten.ok) return forgotten;
  }

  const jobs = createJobs(clock);
  const retire = createRetiring(ports, book, retention);
  const { inTurn, turn, close } = startClockwork(
    'learning',
    () => turnAll(ports, book, jobs, retire),
    turnEveryMs,
    ports,
  );

  return ok({
    start: (plan, by) => inTurn(() => createRun(ports, book, plan, by)),
    stop: (id, order) =>
      inTurn(async () => {
        const stopped = await book.order(id, { kind: 'stopped', atMs: clock.nowMs(), ...order });
        return stopped.ok ? sweepModels(ports, book.states(), book.aside()) : stopped;
      }),
    get: (id) => book.find(id)?.log.state(),
    list: book.states,
    why: (name) => explain(ports, book, name),
    history: book.read,
    turn,
    close,
  });
}

async function turnAll(
  ports: RunsPorts,
  book: RunBook,
  jobs: Jobs,
  retire: () => Promise<Result<void>>,
): Promise<Result<void>> {
  const refreshed = await book.refresh();
  if (!refreshed.ok) return refreshed;
  const turned = [await takeReplies(ports, book)];
  for (const target of book.runs())
    turned.push(await alone(() => turnOne(ports, book, jobs, target)));
  turned.push(await alone(retire));
  return turned.find(({ ok }) => !ok) ?? ok(undefined);
}

/** [RND25] Now and then, and only once nothing is left that the runs which go had refused to keep. */
function createRetiring(
  ports: RunsPorts,
  book: RunBook,
  retention: Retention,
): () => Promise<Result<void>> {
  const { clock, removed = () => {} } = ports;
  let nextMs = 0;
  return async () => {
    const nowMs = clock.nowMs();
    if (nowMs < nextMs || book.aside().size > 0) return ok(undefined);
    nextMs = nowMs + passEveryMs;
    const ids = planRunRetirement(book.states(), retention, nowMs);
    if (ids.length === 0) return ok(undefined);
    for (const id of ids) {
      const forgotten = await ports.tasks.forget(id);
      if (!forgotten.ok) return forgotten;
    }
    const gone = await book.remove(ids, removed);
    return gone.ok ? sweepModels(ports, book.states(), book.aside()) : gone;
  };
}

async function turnOne(
  ports: RunsPorts,
  book: RunBook,
  jobs: Jobs,
  target: OpenRun,
): Promise<Result<void>> {
  for (let steps = 0; steps < stepsMax; steps++) {
    const state = target.log.state();
    if (state === undefined) return ok(undefined);
    const step = dueStep(state, fleetFor(ports, book, state), ports.clock.nowMs());
    if (step === undefined) break;
    const events = await eventsOf(ports, jobs, state, step);
    if (!events.ok) return events;
    // It is being done apart, and others' turns go on.
    if (events.value.length === 0) break;
    const appended = await book.append(target, events.value);
    if (!appended.ok) return appended;
    if (!appended.value) return ok(undefined); // Another is at work here; the next turn reads what it has decided.
    const phase = target.log.state()?.phase;
    const hasEnded = phase !== undefined && !isActive(phase);
    const swept =
      hasEnded || step.kind === 'aggregate' || step.kind === 'mask'
        ? await sweepModels(ports, book.states(), book.aside())
        : ok(undefined);
    if (!swept.ok) return swept;
  }
  const state = target.log.state();
  if (state === undefined) return ok(undefined);
  const said = await sayTasks(ports, state, target.told);
  return said.ok ? sayQuestions(ports, state) : said;
}

async function eventsOf(
  ports: RunsPorts,
  jobs: Jobs,
  state: RunState,
  step: Step,
): Promise<Result<readonly RunEvent[]>> {
  switch (step.kind) {
    case 'append':
      return ok(step.events);
    case 'aggregate':
      return aggregateRound(ports, state, ports.clock.nowMs);
    case 'mask':
      return maskRound(ports, state);
    case 'evaluate':
      return evaluated(ports, jobs, state);
    case 'tally':
      return ok([tallyRound(state, ports.clock.nowMs())]);
    case 'publish':
      return published(ports, jobs, state);
    case 'roll-out':
      return rolledOut(ports, jobs, state);
  }
}

async function evaluated(
  { candidates, clock, log }: RunsPorts,
  jobs: Jobs,
  state: RunState,
): Promise<Result<readonly RunEvent[]>> {
  const { plan, round } = state;
  if (candidates === undefined || plan.heldOut === undefined)
    return ok([evaluateRound(state, undefined, clock.nowMs())]);
  const central = jobs.resultOf(`${plan.id} evaluate ${round}`, () => candidates.evaluate(state));
  if (central === undefined) return ok([]);
  // A run does not end for want of a measurement.
  if (!central.ok) log.error({ run: plan.id, code: central.error.code }, central.error.message);
  return ok([evaluateRound(state, central.ok ? central.value : undefined, clock.nowMs())]);
}

async function published(
  { candidates, clock }: RunsPorts,
  jobs: Jobs,
  state: RunState,
): Promise<Result<readonly RunEvent[]>> {
  const atMs = clock.nowMs();
  if (candidates === undefined)
    return ok([{ kind: 'closed', atMs, reason: 'no candidate is made here' }]);
  const made = jobs.resultOf(`${state.plan.id} publish`, () => candidates.publish(state));
  if (made === undefined) return ok([]);
  if (made.ok) return ok([{ kind: 'published', atMs, ...made.value }]);
  if (made.error.retryable) return made;
  return ok([
    { kind: 'closed', atMs, reason: `no candidate: ${made.error.message}`.slice(0, 512) },
  ]);
}

async function rolledOut(
  { candidates, clock, log }: RunsPorts,
  jobs: Jobs,
  state: RunState,
): Promise<Result<readonly RunEvent[]>> {
  const { plan, candidate } = state;
  if (candidates === undefined || candidate === undefined) return ok([]);
  const begun = jobs.resultOf(`${plan.id} roll-out`, () =>
    candidates.rollOut(state, candidate.version),
  );
  if (begun === undefined) return ok([]);
  if (begun.ok) return ok([{ kind: 'rolled-out', atMs: clock.nowMs(), rollout: begun.value }]);
  // Nobody has signed it yet, or another rollout of the model is under way.
  log.debug({ run: plan.id, code: begun.error.code }, begun.error.message);
  return ok([]);
}

function fleetFor(
  ports: Pick<RunsPorts, 'devices' | 'chance'>,
  book: RunBook,
  state: RunState,
): Fleet {
  const busy = new Set<string>();
  for (const other of book.states())
    if (other.plan.id !== state.plan.id && isActive(other.phase))
      // Who has shown keys masks: it is at work until the sum is there.
      for (const [device, { progress }] of other.members)
        if (progress.kind === 'asked' || progress.kind === 'keyed') busy.add(device);
  const { devices, chance } = ports;
  return { devices: devices.list, isBusy: (device) => busy.has(device), chance };
}

function explain(ports: RunsPorts, book: RunBook, name: string): readonly string[] {
  const nowMs = ports.clock.nowMs();
  const run = book.find(name)?.log.state();
  const unreadable = book.aside().get(name);
  return [
    ...(unreadable === undefined ? [] : [`${name} is put aside: ${unreadable}`]),
    ...(run === undefined ? [] : explainRun(run, fleetFor(ports, book, run), nowMs)),
    ...book.states().flatMap((state) => {
      const why = explainClient(state, name, fleetFor(ports, book, state), nowMs);
      return why === undefined ? [] : [`${state.plan.id}: ${why}`];
    }),
  ];
}
