// Answers questions in words that devices have passed on: oldest first, a few at once, each by whoever answers texts. The
// store is the queue. One that nobody answers now stays in it, and is tried again ever more rarely, until it is too old.

import { citationsOf, contentOf, type TextServer } from '@skerry/models/openai';
import {
  type Backoff,
  backoffMs,
  type Clock,
  type Failure,
  failure,
  type Log,
  messageOf,
  type Random,
} from '@skerry/shared';
import {
  type CoordinatorStore,
  type OpenOp,
  type Question,
  readQuotes,
  type Said,
  saidCharactersMax,
} from '@skerry/sync-protocol';
import { createWakeLoop } from '../event-log/wake-loop.ts';

export interface AnswerQuestionsPorts {
  readonly store: Pick<CoordinatorStore, 'openOps' | 'closeOps' | 'append' | 'quarantineOp'>;
  readonly text: Pick<TextServer, 'chat'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Something was said: the device may be told that there is news. */
  readonly onSaid: (device: string, outcome: Said['outcome']) => void;
}

export interface QuestionLimits {
  /** For one, from when it is asked until all of it is there. */
  readonly timeoutMs: number;
}

export interface AnswerQuestions {
  /** Questions have come. */
  arrived(): void;
  close(): Promise<void>;
}

const atOnceMax = 4;
const readMax = 64;
/** In one turn; what lies behind them waits for the next. */
const pagesMax = 64;
/** Remembered with the times at which they may be tried again; the oldest is forgotten, and tried at once. */
const triesMax = readMax * pagesMax;
const retry: Backoff = { initialMs: 2_000, maxMs: 600_000 };
/** Of a question that everybody has failed at: then its device is told so. */
const ageMsMax = 7 * 86_400_000;
/** However little comes, it is looked so often: another coordinator may have died with one. */
const lookEveryMs = 30_000;

export function createAnswerQuestions(
  ports: AnswerQuestionsPorts,
  { timeoutMs }: QuestionLimits,
): AnswerQuestions {
  const { store, text, clock, random, log, onSaid } = ports;
  /** By op: how often it was tried, and when it may be tried again. */
  const tries = new Map<number, { readonly count: number; readonly atMs: number }>();

  const say = async (op: OpenOp, requestId: string, outcome: Said['outcome']): Promise<void> => {
    const appended = await store.append(
      op.device,
      { kind: 'said', requestId, outcome },
      clock.nowMs(),
    );
    if (!appended.ok) {
      log.error(
        { code: appended.error.code },
        `what was said is not stored: ${appended.error.message}`,
      );
      return later(op);
    }
    tries.delete(op.id);
    const closed = await store.closeOps([op.id]);
    // Asked again then, and said again: a device takes the first.
    if (!closed.ok) log.error({ code: closed.error.code }, 'an answered question stays open');
    onSaid(op.device, outcome);
  };

  const later = (op: OpenOp): void => {
    const count = (tries.get(op.id)?.count ?? 0) + 1;
    tries.set(op.id, { count, atMs: clock.monotonicMs() + backoffMs(retry, count, random) });
    const [oldest] = tries.keys();
    if (tries.size > triesMax && oldest !== undefined) tries.delete(oldest);
  };

  const answer = async (op: OpenOp, { requestId, model, messages }: Question): Promise<void> => {
    const terms = { leftMs: timeoutMs, signal: loop.closing };
    const asked = await text.chat({ model, messages: [...messages] }, terms);
    if (loop.closing.aborted) return;
    const completion = asked.ok && 'completion' in asked.value ? asked.value.completion : {};
    const said = contentOf(completion);
    if (said !== undefined) {
      const quotes = readQuotes(citationsOf(completion));
      const text = said.slice(0, saidCharactersMax);
      return say(op, requestId, { kind: 'said', text, model, ...(quotes && { quotes }) });
    }
    const failed = asked.ok ? failure('malformed_message', 'nothing was said') : asked.error;
    if (failed.retryable && clock.nowMs() - op.atMs < ageMsMax) return later(op);
    return say(op, requestId, failedAs(failed));
  };

  /** All that may be tried now, whatever waits before it. */
  const turn = async (): Promise<void> => {
    let after = 0;
    for (let page = 0; page < pagesMax; page++) {
      const open = await store.openOps('question', readMax, after);
      if (!open.ok) {
        log.error({ code: open.error.code }, `questions cannot be read: ${open.error.message}`);
        return;
      }
      const isDue = ({ id }: OpenOp): boolean =>
        (tries.get(id)?.atMs ?? Number.NEGATIVE_INFINITY) <= clock.monotonicMs();
      await inParallel(open.value.filter(isDue), atOnceMax, attempt);
      const last = open.value.at(-1);
      if (last === undefined || open.value.length < readMax || loop.closing.aborted) return;
      after = last.id;
    }
    loop.wake();
  };

  const attempt = async (op: OpenOp): Promise<void> => {
    if (loop.closing.aborted || op.body.kind !== 'question') return;
    await answer(op, op.body).catch(async (thrown: unknown) => {
      // [QUE3] It would meet the same bug after every restart.
      log.error({ device: op.device, reason: messageOf(thrown) }, 'a question met a bug');
      await store.quarantineOp(op.id, messageOf(thrown), clock.nowMs());
    });
  };

  const untilNextMs = (): number => {
    const next = Math.min(...[...tries.values()].map(({ atMs }) => atMs - clock.monotonicMs()));
    return Math.max(100, Math.min(lookEveryMs, next));
  };

  const loop = createWakeLoop('questions', turn, untilNextMs, ports);
  loop.wake();
  return { arrived: loop.wake, close: loop.close };
}

const failedAs = ({ code, message }: Failure): Said['outcome'] => ({
  kind: 'failed',
  code,
  message: message.slice(0, 1_000),
});

async function inParallel<T>(
  items: readonly T[],
  atOnce: number,
  act: (item: T) => Promise<void>,
): Promise<void> {
  const left = [...items];
  const work = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await act(item);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}
