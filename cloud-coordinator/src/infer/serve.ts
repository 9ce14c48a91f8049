// Answers escalations. The store is the queue; memory holds only a window of it. What does not fit stays open in the
// store and is taken up when the window has drained, exactly as after a restart. Whatever happens, an escalation ends
// in one Answer: what the model said, or why it could not say it. A part of the window is for those that an app waits for,
// so that what a device has gathered over days keeps no app waiting.

import {
  type Backoff,
  backoffMs,
  type Clock,
  type Failure,
  failure,
  type Log,
  messageOf,
  type Random,
  type Result,
  sleep,
} from '@skerry/shared';
import type { CoordinatorStore, OpenEscalation } from '@skerry/sync-protocol';
import { type BlobInputs, inlineInputs } from './blob-inputs.ts';
import type { CloudModels, Outcome } from './cloud-models.ts';
import { isAwaited } from './escalation-turn.ts';

export interface ServeLimits {
  /** Escalations in memory. */
  readonly windowMax: number;
  /** Tries at one escalation before it is answered with its failure. */
  readonly attemptsMax: number;
  readonly backoff: Backoff;
}

export interface ServePorts {
  readonly store: Pick<CoordinatorStore, 'appendDown' | 'openEscalations'>;
  readonly models: Pick<CloudModels, 'answer'>;
  /** Without it an input that is a blob is `not_found`. */
  readonly inputs?: BlobInputs;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** An answer has become durable. */
  onAnswer(device: string, outcome: Outcome, asked: OpenEscalation['body']): void;
}

export interface Serve {
  /** An escalation that was just accepted. */
  take(open: OpenEscalation): void;
  /** Takes up what the store holds open. */
  catchUp(): Promise<void>;
  /**
   * Looks for what is open and not in this window: taken by a coordinator that died. Takes what it has seen at the last
   * look already, for another may be busy with what is new. Call it from time to time.
   */
  adopt(): Promise<void>;
  /** Waits for what a model has begun; what is not answered stays open in the store. */
  close(): Promise<void>;
}

const failureMessageCharsMax = 1_000;
/** Of the window, for what nobody waits for. */
const lateShareMax = 0.75;

export function createServe(limits: ServeLimits, ports: ServePorts): Serve {
  const { store, models, inputs = inlineInputs, clock, random, log } = ports;
  const window = new Map<string, Promise<void>>();
  const closing = new AbortController();
  const { signal } = closing;
  /** The store may hold open what the window does not. */
  let behind = false;
  let catchingUp = false;
  /** Open at the last look, and not in the window. */
  let strays: ReadonlySet<string> = new Set();

  const hasRoom = (): boolean => window.size <= limits.windowMax / 2;

  const lateMax = Math.ceil(limits.windowMax * lateShareMax);

  /** @param untilMs how long an app waits; what comes from the store has waited nobody knows how long */
  const start = (open: OpenEscalation, untilMs = Number.NEGATIVE_INFINITY): void => {
    const key = keyOf(open);
    if (window.has(key)) return;
    const done = finish(open, untilMs)
      .catch(tellOfBug(open))
      .then(() => {
        window.delete(key);
        if (behind && hasRoom()) void catchUp();
      });
    window.set(key, done);
  };

  const catchUp = async (): Promise<void> => {
    if (catchingUp) return;
    catchingUp = true;
    do {
      behind = false;
      const open = await untilStored('read the open escalations', () =>
        store.openEscalations(limits.windowMax),
      );
      if (!open.ok) break;
      for (const escalation of open.value) if (window.size < lateMax) start(escalation);
      behind ||= open.value.length === limits.windowMax;
    } while (behind && hasRoom() && !signal.aborted);
    catchingUp = false;
  };

  const adopt = async (): Promise<void> => {
    if (behind || signal.aborted) return; // Then all goes through the store anyway.
    const open = await store.openEscalations(limits.windowMax);
    if (!open.ok) {
      log.warn({ code: open.error.code }, 'cannot look for what another left open');
      return;
    }
    const others = open.value.filter((one) => !window.has(keyOf(one)));
    const left = others.filter((one) => strays.has(keyOf(one)));
    strays = new Set(others.map(keyOf));
    if (left.length > 0) log.info({ escalations: left.length }, 'took what another left open');
    for (const one of left) if (window.size < lateMax) start(one);
  };

  /** [QUA4] What met a bug would meet it again after every restart: its asker hears of it instead. */
  const tellOfBug =
    (open: OpenEscalation) =>
    async (thrown: unknown): Promise<void> => {
      const reason = messageOf(thrown);
      log.error({ device: open.device, model: open.body.model, reason }, 'an escalation met a bug');
      await answer(open, failed(failure('internal', reason))).catch((again) =>
        log.error({ reason: messageOf(again) }, 'its answer met one too'),
      );
    };

  const finish = async (open: OpenEscalation, untilMs: number): Promise<void> => {
    await inputs.keep(open);
    const outcome = await decide(open, untilMs);
    if (outcome !== undefined) await answer(open, outcome);
  };

  const answer = async (open: OpenEscalation, outcome: Outcome): Promise<void> => {
    const { device } = open;
    const { requestId } = open.body;
    const stored = await untilStored('store an answer', () =>
      store.appendDown(device, { kind: 'answer', requestId, outcome }, clock.nowMs()),
    );
    if (!stored.ok) {
      // [COD6] What could never be sent is none; else it is still open, and whoever takes it up needs its input.
      const { error } = stored;
      if (!error.retryable && outcome.kind !== 'failed') await answer(open, failed(error));
      return;
    }
    if (stored.value !== undefined) ports.onAnswer(device, outcome, open.body);
    await inputs.release(open);
  };

  /** The outcome, or undefined when the coordinator closes before there is one. */
  const decide = async (open: OpenEscalation, untilMs: number): Promise<Outcome | undefined> => {
    for (let attempt = 0; ; attempt++) {
      const asked = await inputs.read(open);
      const deadlineLeftMs = Math.max(0, untilMs - clock.monotonicMs());
      const answered = asked.ok ? await models.answer({ ...asked.value, deadlineLeftMs }) : asked;
      if (answered.ok) return answered.value;
      if (signal.aborted) return undefined;
      const { code, retryable } = answered.error;
      if (!retryable || attempt + 1 >= limits.attemptsMax) return failed(answered.error);
      log.warn({ code, attempt, model: open.body.model }, 'an escalation is tried again');
      await sleep(clock, backoffMs(limits.backoff, attempt, random), signal);
    }
  };

  /** A store that is away is asked until it takes: to give up would lose an answer. Its failure when the coordinator closes. */
  const untilStored = async <T>(
    what: string,
    act: () => Promise<Result<T>>,
  ): Promise<Result<T>> => {
    for (let attempt = 0; ; attempt++) {
      const result = await act();
      if (result.ok) return result;
      const { code, message, retryable } = result.error;
      log.error({ code, attempt, reason: message }, `cannot ${what}`);
      if (!retryable || signal.aborted) return result;
      await sleep(clock, backoffMs(limits.backoff, attempt, random), signal);
    }
  };

  return {
    take(open) {
      const untilMs = clock.monotonicMs() + open.body.deadlineLeftMs;
      if (isAwaited(open.body) && window.size < limits.windowMax) return start(open, untilMs);
      // Once behind, all that nobody waits for go through the store, so that the oldest are answered first.
      behind ||= window.size >= lateMax;
      if (behind) void inputs.keep(open);
      else start(open, untilMs);
    },
    catchUp,
    adopt,
    async close() {
      closing.abort();
      await Promise.all(window.values());
    },
  };
}

const keyOf = ({ device, body }: OpenEscalation): string => `${device}/${body.requestId}`;

function failed({ code, message }: Failure): Outcome {
  return { kind: 'failed', code, message: message.slice(0, failureMessageCharsMax) };
}
