// A device's part in rounds: one task at a time, the oldest first. A task is durable before it is begun, and its reply with
// all that it changes is one transaction, so that a device that dies in the middle begins it anew and answers it once.
//
//   task ─► may it? ─► fetch ─► run, apart ─► update up ─► reply        at each step: declined or failed, with a reason
//              └ waits, in part of the time that the round has, for a moment in which nobody asks the device

import { type Clock, err, type Log, messageOf, ok, type Result, sleep } from '@skerry/shared';
import {
  type DeclineReason,
  type LearnTask,
  readLearnPlan,
  readQueryPlan,
} from '@skerry/sync-protocol/learn';
import { type Conditions, judgeConditions, type LearnTerms, passes } from './eligibility.ts';
import { judgePrivacy, type PrivacyTerms } from './judge-privacy.ts';
import type { LearningPorts } from './learn-ports.ts';
import { type PreparedTask, prepareTask, type TaskPlan, type TaskWorld } from './prepare-task.ts';
import { createReplies, type Replies } from './reply-task.ts';
import type { Answered, HeldTask } from './round-store.ts';
import type { ClientDone } from './run-client.ts';

export type Doing =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'waiting'; readonly reason: string }
  | { readonly kind: 'fetching' }
  | { readonly kind: 'running'; readonly examples: number; readonly paused: boolean }
  | { readonly kind: 'replying' };

export interface ParticipationView {
  readonly doing: Doing;
  readonly task?: Pick<LearnTask, 'run' | 'round' | 'attempt'> & {
    readonly type: LearnTask['work']['type'];
    readonly leftMs: number;
  };
}

export interface Participation {
  /** Inside the transaction that applies the op. */
  receive(task: LearnTask): void;
  /** After it, and when what held a task up may be gone. */
  wake(): void;
  /** Whose consent is taken back: what runs have made of that model's examples goes, and whoever waits is told. */
  withdraw(model: string): Result<void>;
  view(): ParticipationView;
  close(): Promise<void>;
}

export interface ParticipationPorts
  extends LearningPorts,
    Omit<TaskWorld, 'runner' | 'examples' | 'rounds' | 'blobs'> {
  readonly conditions: () => Conditions;
  readonly terms: LearnTerms;
  readonly privacy: PrivacyTerms;
  readonly clock: Clock;
  readonly log: Log;
}

/** Of the round's time, for a moment in which the device is idle. */
const patienceShare = 0.25;
/** Of the round's time, for the way up: no step is taken in it. */
const uploadShare = 0.1;
/** Past its deadline: whoever is still at work then has not heard that it should stop, or cannot, and is ended. */
const graceMs = 5_000;
/** A task that never ends, however often it is begun, has a bug that a further try does not mend. */
const triesMax = 3;
const steerEveryMs = 50;
const lookEveryMs = 1_000;
const retryAfterMs = 15_000;

export function createParticipation(ports: ParticipationPorts): Participation {
  const { rounds, clock, log } = ports;
  const closing = new AbortController();
  let doing: Doing = { kind: 'nothing' };
  let current: HeldTask | undefined;
  let turn: Promise<void> | undefined;
  let again = false;
  /** What it waits for may be dropped. */
  let drop = (): void => {};
  const replies = createReplies(ports, log);
  const takeTask = createTakeTask(ports, replies, {
    signal: closing.signal,
    doing(what) {
      doing = what;
    },
    droppable(how) {
      drop = how;
    },
  });

  const takeAll = async (): Promise<void> => {
    for (const held of rounds.held()) {
      if (closing.signal.aborted) return;
      current = held;
      const taken = await takeTask(held);
      current = undefined;
      doing = { kind: 'nothing' };
      if (taken.ok) continue;
      const { code, message } = taken.error;
      doing = { kind: 'waiting', reason: message };
      log.warn({ run: held.task.run, code }, `learning waits: ${message}`);
      clock.after(retryAfterMs, wake);
    }
  };

  const wake = (): void => {
    again = true;
    if (current !== undefined && !rounds.isHeld(current.task)) drop();
    if (turn !== undefined || closing.signal.aborted) return;
    again = false;
    turn = takeAll()
      // A bug of ours must not end a process that answers.
      .catch((thrown) => log.error({ reason: messageOf(thrown) }, 'learning has failed'))
      .finally(() => {
        turn = undefined;
        current = undefined;
        // Something has come since the last look.
        if (again) wake();
      });
  };

  return {
    receive: (task) => rounds.receive(task, clock.nowMs()),
    wake,
    withdraw(model) {
      const runs = new Set(
        rounds.runs().flatMap(({ run, model: of }) => (of === model ? [run] : [])),
      );
      const held = rounds.held().filter(({ task }) => runs.has(task.run));
      const forgotten = rounds.forget({ model });
      if (!forgotten.ok) return forgotten;
      for (const run of runs) ports.runner.forget(run);
      // Where there is no room for it, its round goes on without this device all the same.
      for (const { task } of held) replies.decline(task, 'no-consent');
      wake();
      return ok(undefined);
    },
    view() {
      if (current === undefined) return { doing };
      const { run, round, attempt, work } = current.task;
      const leftMs = deadlineOf(current) - clock.nowMs();
      return { doing, task: { run, round, attempt, type: work.type, leftMs } };
    },
    async close() {
      closing.abort();
      drop();
      await turn;
      ports.runner.close();
    },
  };
}

function readPlan({ work }: LearnTask): Result<TaskPlan | undefined> {
  if (!('plan' in work)) return ok(undefined);
  return work.type === 'query' ? readQueryPlan(work.plan) : readLearnPlan(work.plan);
}

interface Teller {
  readonly signal: AbortSignal;
  doing(what: Doing): void;
  droppable(drop: () => void): void;
}

/** Of the wall clock: it goes on while the device is off. */
const deadlineOf = ({ task, receivedMs }: HeldTask): number => receivedMs + task.deadlineLeftMs;

function createTakeTask(
  ports: ParticipationPorts,
  replies: Replies,
  { signal, doing, droppable }: Teller,
): (held: HeldTask) => Promise<Result<void>> {
  const { rounds, clock, terms } = ports;
  const leftMs = (held: HeldTask): number => deadlineOf(held) - clock.nowMs();
  const isOverdue = (held: HeldTask): boolean => leftMs(held) <= -graceMs;
  const isWanted = ({ task }: HeldTask): boolean => !signal.aborted && rounds.isHeld(task);

  /** Undefined: it may, or nobody waits for it any longer. */
  const waitForMoment = async (held: HeldTask): Promise<DeclineReason | undefined> => {
    const untilMs = clock.nowMs() + leftMs(held) * patienceShare;
    while (isWanted(held)) {
      if (leftMs(held) <= 0) return 'too-late';
      const reason = judgeConditions(ports.conditions(), terms);
      if (reason === undefined) return undefined;
      if (!passes.has(reason) || clock.nowMs() >= untilMs) return reason;
      doing({ kind: 'waiting', reason });
      const waitMs = Math.max(steerEveryMs, untilMs - clock.nowMs());
      await sleep(clock, Math.min(lookEveryMs, waitMs), signal);
    }
    return undefined;
  };

  const prepare = async (held: HeldTask, plan: TaskPlan | undefined) => {
    doing({ kind: 'fetching' });
    const prepared = prepareTask(held.task, plan, ports);
    droppable(prepared.drop);
    const timer = clock.after(Math.max(0, leftMs(held)), prepared.drop);
    const ready = await prepared.ready;
    timer.cancel();
    droppable(() => {});
    return ready;
  };

  /** Runs it elsewhere, never in the way of a request; ends it in time, or when its round is over. */
  const run = async (held: HeldTask, { work, examples }: PreparedTask) => {
    const running = ports.runner.start(work);
    const endsMs = deadlineOf(held) - held.task.deadlineLeftMs * uploadShare;
    const steer = (): void => {
      if (!isWanted(held) || isOverdue(held)) {
        running.end();
        return;
      }
      const reason = judgeConditions(ports.conditions(), { ...terms, idleMsMin: 0 });
      const paused = reason === 'busy';
      doing({ kind: 'running', examples, paused });
      const isOver = clock.nowMs() >= endsMs || (reason !== undefined && !paused);
      running.steer(isOver ? 'stop' : paused ? 'pause' : 'go');
      timer = clock.after(steerEveryMs, steer);
    };
    let timer = clock.after(0, steer);
    const done = await running.done;
    timer.cancel();
    return done;
  };

  const answer = async (
    held: HeldTask,
    done: Result<ClientDone>,
    spent: Answered['spent'],
  ): Promise<Result<void>> => {
    const { task } = held;
    doing({ kind: 'replying' });
    if (done.ok) return replies.send(task, done.value, spent);
    if (isOverdue(held)) return replies.decline(task, 'too-late');
    const { code, message } = done.error;
    if (code === 'not_found') return replies.decline(task, 'network-unknown');
    if (code === 'overloaded') return replies.decline(task, 'no-room');
    return replies.fail(task, code, message);
  };

  /** ok: it is answered, or nobody wants an answer. Fails where it shall be tried again later. */
  return async (held) => {
    const { task } = held;
    if (leftMs(held) <= 0) return replies.decline(task, 'too-late');
    if (held.tries >= triesMax)
      return replies.fail(task, 'internal', `begun ${held.tries} times, never ended`);
    const plan = readPlan(task);
    if (!plan.ok)
      return plan.error.code === 'unsupported_version'
        ? replies.decline(task, 'plan-unknown')
        : replies.fail(task, plan.error.code, plan.error.message);
    const allowed = judgePrivacy(task, plan.value, ports.privacy, rounds.spent);
    if (!allowed.ok) return replies.fail(task, allowed.error.code, allowed.error.message);
    if (task.work.type === 'train' || task.work.type === 'evaluate') {
      const reason = await waitForMoment(held);
      if (reason !== undefined) return replies.decline(task, reason);
    }
    if (!isWanted(held)) return ok(undefined);
    const ready = await prepare(held, plan.value);
    if (!isWanted(held)) return ok(undefined);
    if (!ready.ok) {
      if (ready.error.kind === 'declined') return replies.decline(task, ready.error.reason);
      const { code, message, retryable } = ready.error.failure;
      if (leftMs(held) <= 0) return replies.decline(task, 'too-late');
      return retryable ? err(ready.error.failure) : replies.fail(task, code, message);
    }
    const begun = rounds.begin(task, plan.value?.model);
    if (!begun.ok) return begun;
    const done = await run(held, ready.value);
    return isWanted(held) ? answer(held, done, allowed.value) : ok(undefined);
  };
}
