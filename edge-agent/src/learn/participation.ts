// A device's part in rounds: one task at a time, the oldest first. A task is durable before it is begun, and its reply with
// all that it changes is one transaction, so that a device that dies in the middle begins it anew and answers it once.
//
//   task ─► may it? ─► fetch ─► run, apart ─► update up ─► reply        at each step: declined or failed, with a reason
//              └ waits, in part of the time that the round has, for a moment in which nobody asks the device

import { type Clock, err, type Log, messageOf, ok, type Result, sleep } from '@skerry/shared';
import {
  type DeclineReason,
  type LearnReply,
  type LearnTask,
  readLearnPlan,
} from '@skerry/sync-protocol/learn';
import { type Conditions, judgeConditions, type LearnTerms, passes } from './eligibility.ts';
import type { LearningPorts, RunningClient } from './learn-ports.ts';
import { type PreparedTask, prepareTask, type TaskWorld } from './prepare-task.ts';
import { type HeldTask, stateBytesMax } from './round-store.ts';
import { type ClientDone, packedOf } from './run-client.ts';

export type Doing =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'waiting'; readonly reason: string }
  | { readonly kind: 'fetching' }
  | { readonly kind: 'running'; readonly examples: number; readonly paused: boolean }
  | { readonly kind: 'replying' };

export interface ParticipationView {
  readonly doing: Doing;
  readonly task?: {
    readonly run: string;
    readonly round: number;
    readonly attempt: number;
    readonly type: string;
    readonly leftMs: number;
  };
}

export interface Participation {
  /** Inside the transaction that applies the op. */
  receive(task: LearnTask): void;
  /** After it, and when what held a task up may be gone. */
  wake(): void;
  view(): ParticipationView;
  close(): Promise<void>;
}

export interface ParticipationPorts
  extends LearningPorts,
    Omit<TaskWorld, 'runner' | 'examples' | 'rounds' | 'blobs'> {
  readonly conditions: () => Conditions;
  readonly terms: LearnTerms;
  readonly clock: Clock;
  readonly log: Log;
}

type Answer = LearnReply['result'];

/** Of the round's time, for a moment in which the device is idle. */
const patienceShare = 0.25;
/** Of the round's time, for the way up: no step is taken in it. */
const uploadShare = 0.1;
/** A task that never ends, however often it is begun, has a bug that a further try does not mend. */
const triesMax = 3;
const steerEveryMs = 50;
const retryAfterMs = 15_000;

export function createParticipation(ports: ParticipationPorts): Participation {
  const { rounds, blobs, clock, log, terms } = ports;
  const closing = new AbortController();
  let doing: Doing = { kind: 'nothing' };
  let current: HeldTask | undefined;
  let turn: Promise<void> | undefined;
  let again = false;
  let drop = (): void => {};

  const deadlineOf = ({ task, receivedMs }: HeldTask): number => receivedMs + task.deadlineLeftMs;
  const leftMs = (held: HeldTask): number => deadlineOf(held) - clock.nowMs();
  const isWanted = ({ task }: HeldTask): boolean => !closing.signal.aborted && rounds.isHeld(task);

  const reply = (
    { task }: HeldTask,
    result: Answer,
    send: (body: LearnReply, effect: () => void) => Result<void> = ports.reply,
    state: ClientDone['state'] = new Map(),
  ): Result<void> => {
    const { run, round, attempt } = task;
    const sent = send({ kind: 'learn-reply', run, round, attempt, result }, () =>
      rounds.answered(task, state, outcomeOf(result), clock.nowMs()),
    );
    const why = sent.ok ? undefined : sent.error.message;
    log.info({ run, round, attempt, outcome: outcomeOf(result), why }, 'learning');
    return sent;
  };

  /** Undefined: it may; `gone`: nobody waits for it any longer. */
  const waitForMoment = async (held: HeldTask): Promise<DeclineReason | 'gone' | undefined> => {
    const untilMs = clock.nowMs() + leftMs(held) * patienceShare;
    for (;;) {
      if (!isWanted(held)) return 'gone';
      if (leftMs(held) <= 0) return 'too-late';
      const reason = judgeConditions(ports.conditions(), terms);
      if (reason === undefined) return undefined;
      if (!passes.has(reason) || clock.nowMs() >= untilMs) return reason;
      doing = { kind: 'waiting', reason };
      const waitMs = Math.min(1_000, Math.max(steerEveryMs, untilMs - clock.nowMs()));
      await sleep(clock, waitMs, closing.signal);
    }
  };

  /** Runs it elsewhere, never in the way of a request; ends it in time, or when its round is over. */
  const run = async (held: HeldTask, prepared: PreparedTask): Promise<Result<ClientDone>> => {
    const running: RunningClient = ports.runner.start(prepared.work);
    const endsMs = deadlineOf(held) - held.task.deadlineLeftMs * uploadShare;
    const examples = prepared.examples;
    const steer = (): void => {
      if (!isWanted(held)) {
        running.end();
        return;
      }
      const reason = judgeConditions(ports.conditions(), { ...terms, idleMsMin: 0 });
      const paused = reason === 'busy';
      doing = { kind: 'running', examples, paused };
      const isOver = clock.nowMs() >= endsMs || (reason !== undefined && !paused);
      running.steer(isOver ? 'stop' : paused ? 'pause' : 'go');
      timer = clock.after(steerEveryMs, steer);
    };
    let timer = clock.after(0, steer);
    const done = await running.done;
    timer.cancel();
    return done;
  };

  const send = async (
    held: HeldTask,
    { reply: given, state }: ClientDone,
  ): Promise<Result<void>> => {
    const kept = [...state.values()].reduce((sum, { length }) => sum + length, 0);
    if (kept > stateBytesMax) return reply(held, { type: 'declined', reason: 'no-room' });
    if (given.type !== 'trained') return reply(held, given, undefined, state);
    const { examples, steps, completed, metrics } = given;
    // Nothing was done in time: an update of noughts would only weigh on the others.
    if (steps === 0) return reply(held, { type: 'declined', reason: 'too-late' });
    const { bytes, controlAt } = packedOf(given);
    const update = await blobs.put(bytes);
    if (!update.ok) return update;
    const result: Answer = {
      type: 'trained',
      examples,
      steps,
      completed,
      metrics,
      update: update.value,
      ...(controlAt === undefined ? {} : { controlAt }),
    };
    const way = (body: LearnReply, effect: () => void) =>
      ports.replyWithBlob(body, update.value, effect);
    return reply(held, result, way, state);
  };

  /** ok: it is answered, or nobody wants an answer. Fails where it shall be tried again later. */
  const take = async (held: HeldTask): Promise<Result<void>> => {
    const { task } = held;
    const decline = (reason: DeclineReason) => reply(held, { type: 'declined', reason });
    const fail = (code: string, message: string) =>
      reply(held, { type: 'failed', code, message: message.slice(0, 512) });
    if (leftMs(held) <= 0) return decline('too-late');
    if (held.tries >= triesMax) return fail('internal', `begun ${held.tries} times, never ended`);
    const plan = 'plan' in task.work ? readLearnPlan(task.work.plan) : ok(undefined);
    if (!plan.ok) {
      const isNew = plan.error.code === 'unsupported_version';
      return isNew ? decline('plan-unknown') : fail(plan.error.code, plan.error.message);
    }
    if (task.work.type === 'train' || task.work.type === 'evaluate') {
      const moment = await waitForMoment(held);
      if (moment === 'gone') return ok(undefined);
      if (moment !== undefined) return decline(moment);
    }
    doing = { kind: 'fetching' };
    const timer = clock.after(Math.max(0, leftMs(held)), () => prepared.drop());
    const prepared = prepareTask(task, plan.value, ports);
    drop = prepared.drop;
    const ready = await prepared.ready;
    timer.cancel();
    drop = () => {};
    if (!isWanted(held)) return ok(undefined);
    if (!ready.ok) {
      if (ready.error.kind === 'declined') return decline(ready.error.reason);
      const { code, message, retryable } = ready.error.failure;
      if (leftMs(held) <= 0) return decline('too-late');
      return retryable ? err(ready.error.failure) : fail(code, message);
    }
    const begun = rounds.begin(task, plan.value?.model);
    if (!begun.ok) return begun;
    const done = await run(held, ready.value);
    if (!isWanted(held)) return ok(undefined);
    doing = { kind: 'replying' };
    if (done.ok) return send(held, done.value);
    const { code, message } = done.error;
    if (code === 'not_found' || code === 'unsupported_version') return decline('network-unknown');
    if (code === 'overloaded') return decline('no-room');
    return fail(code, message);
  };

  const takeAll = async (): Promise<void> => {
    for (const held of rounds.held()) {
      if (closing.signal.aborted) return;
      current = held;
      const taken = await take(held);
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
    if (current !== undefined && !isWanted(current)) drop();
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
    view() {
      if (current === undefined) return { doing };
      const { run, round, attempt, work } = current.task;
      return { doing, task: { run, round, attempt, type: work.type, leftMs: leftMs(current) } };
    },
    async close() {
      closing.abort();
      drop();
      await turn;
    },
  };
}

/** For a person, and for the log. */
function outcomeOf(result: Answer): string {
  switch (result.type) {
    case 'trained':
      return `trained on ${result.examples} examples, ${Math.round(result.completed * 100)} %`;
    case 'evaluated':
      return `evaluated with ${result.examples} examples`;
    case 'queried':
      return 'queried';
    case 'secure':
      return `masked: ${result.stage}`;
    case 'declined':
      return `declined: ${result.reason}`;
    case 'failed':
      return `failed: ${result.code}`;
  }
}
