// Calls to a thread that does one after the other. A call is sent when the one before it is done, so its time is its own;
// one that takes too long ends the thread and fails alone, and those behind it go to the next thread.

import { err, failure, type Result } from '@skerry/shared';

export interface CallThread<M> {
  post(message: M): void;
  /** While nothing is under way the process may end. */
  hold(isBusy: boolean): void;
  terminate(): Promise<unknown>;
}

export interface ThreadCallsOptions<M> {
  /** @param onReply of what was posted last @param onExit it answers nothing any more */
  readonly start: (onReply: (result: Result<unknown>) => void, onExit: () => void) => CallThread<M>;
  /** What its failures are about. */
  readonly subject: string;
  readonly waitingMax?: number;
  readonly callMsMax?: number;
  readonly waitMsMax?: number;
}

export interface ThreadCalls<M> {
  call(message: M): Promise<Result<unknown>>;
  /** The thread ends once what it has begun is done; what waits, and what comes, is refused. */
  close(last?: M): Promise<void>;
}

/** Of one call; a search takes milliseconds, a book taken in some seconds. */
const callMsMaxDefault = 120_000;
/** Behind others. */
const waitMsMaxDefault = 30_000;
const waitingMaxDefault = 1_024;

interface Call<M> {
  readonly message: M;
  readonly settle: (result: Result<unknown>) => void;
  readonly waitTimer: NodeJS.Timeout | undefined;
}

export function createThreadCalls<M>({
  start,
  subject,
  waitingMax = waitingMaxDefault,
  callMsMax = callMsMaxDefault,
  waitMsMax = waitMsMaxDefault,
}: ThreadCallsOptions<M>): ThreadCalls<M> {
  const waiting = new Set<Call<M>>();
  let thread: CallThread<M> | undefined;
  let running: { readonly call: Call<M>; readonly timer: NodeJS.Timeout } | undefined;
  let isClosed = false;

  const startThread = (): CallThread<M> => {
    const started: CallThread<M> = start(
      (result) => thread === started && finish(result),
      () => leave(started, err(failure('unavailable', `the ${subject}’ thread has ended`))),
    );
    return started;
  };

  /** Of a thread that is there no more; the next call starts another. */
  const leave = (left: CallThread<M>, result: Result<unknown>): void => {
    if (thread !== left) return;
    thread = undefined;
    finish(result);
  };

  const finish = (result: Result<unknown>): void => {
    const finished = running;
    running = undefined;
    clearTimeout(finished?.timer);
    finished?.call.settle(result);
    next();
  };

  const next = (): void => {
    if (running !== undefined) return;
    const [call] = waiting;
    if (call === undefined) {
      thread?.hold(false);
      return;
    }
    waiting.delete(call);
    clearTimeout(call.waitTimer);
    thread ??= startThread();
    thread.hold(true);
    const asked = thread;
    const timer = setTimeout(() => {
      leave(asked, err(failure('deadline_exceeded', `a call took over ${callMsMax} ms`)));
      void asked.terminate();
    }, callMsMax);
    timer.unref();
    running = { call, timer };
    asked.post(call.message);
  };

  const enqueue = (message: M): Promise<Result<unknown>> =>
    new Promise((settle) => {
      const call: Call<M> = {
        message,
        settle,
        waitTimer: setTimeout(() => {
          waiting.delete(call);
          settle(err(failure('overloaded', `waited ${waitMsMax} ms for the ${subject}`)));
        }, waitMsMax).unref(),
      };
      waiting.add(call);
      next();
    });

  return {
    async call(message) {
      if (isClosed) return err(failure('unavailable', `the ${subject} are closed`));
      if (waiting.size >= waitingMax)
        return err(failure('overloaded', `${waiting.size} calls wait for the ${subject}`));
      return enqueue(message);
    },
    async close(last) {
      if (isClosed) return;
      isClosed = true;
      for (const call of waiting) {
        waiting.delete(call);
        clearTimeout(call.waitTimer);
        call.settle(err(failure('unavailable', `the ${subject} are closed`)));
      }
      if (thread !== undefined && last !== undefined) await enqueue(last);
      await thread?.terminate();
    },
  };
}
