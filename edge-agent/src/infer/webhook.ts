// Late answers, pushed to an app: at least once each, in order, one at a time. It reads the store from a cursor of its
// own, as a subscriber of the stream does, so it needs no queue, and what is pruned there is gone here too. An app that is
// away is tried for as long as it takes; an answer that it refuses again and again is passed over, and stays readable.

import {
  type Backoff,
  backoffMs,
  type Clock,
  type Log,
  type Random,
  type Result,
  sleep,
} from '@skerry/shared';
import type { LateAnswers, LateRecord } from './late-answers.ts';

/** Durable. */
export interface WebhookCursor {
  /** The last `settled` that needs no push any more; undefined before the first start. */
  load(): number | undefined;
  save(settled: number): void;
}

export interface WebhookPorts {
  readonly escalations: Pick<LateAnswers, 'lateAfter' | 'lastSettled'>;
  readonly cursor: WebhookCursor;
  /** Fails retryably where the app is away, and for good where it refuses. The id is the same at each try. */
  readonly push: (id: string, record: LateRecord, signal: AbortSignal) => Promise<Result<void>>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly onPushed: (outcome: 'delivered' | 'passed-over') => void;
}

export interface Webhook {
  /** Call when late answers have been recorded. */
  wake(): void;
  close(): Promise<void>;
}

const pushBackoff: Backoff = { initialMs: 1_000, maxMs: 600_000 };
/** Then an answer that the app refuses is passed over. */
export const refusalsMax = 8;
const recordsPerRead = 16;

/** From the first start on: what was late before is not pushed. */
export function startWebhook(ports: WebhookPorts): Webhook {
  const { escalations, cursor, clock, random, log } = ports;
  const closing = new AbortController();
  const { signal } = closing;
  let wake = (): void => {};
  const nothingNew = (): Promise<void> => new Promise((resolve) => (wake = resolve));

  /** Whether the cursor may move past it. */
  const deliver = async (record: LateRecord): Promise<boolean> => {
    for (let attempt = 0, refusals = 0; !signal.aborted; attempt++) {
      const pushed = await ports.push(record.requestId, record, signal);
      if (pushed.ok) {
        ports.onPushed('delivered');
        return true;
      }
      const { code, message, retryable, retryAfterMs = 0 } = pushed.error;
      log.warn({ requestId: record.requestId, code, attempt, reason: message }, 'webhook failed');
      if (!retryable && ++refusals >= refusalsMax) {
        ports.onPushed('passed-over');
        return true;
      }
      const waitMs = Math.max(backoffMs(pushBackoff, attempt, random), retryAfterMs);
      await sleep(clock, Math.min(waitMs, pushBackoff.maxMs), signal);
    }
    return false;
  };

  const run = async (): Promise<void> => {
    let after = cursor.load() ?? escalations.lastSettled();
    cursor.save(after);
    while (!signal.aborted) {
      const woken = nothingNew(); // Before the read, so that what is recorded during it wakes us too.
      const records = escalations.lateAfter(after, recordsPerRead);
      for (const record of records) {
        if (!(await deliver(record))) return;
        after = record.settled ?? after;
        cursor.save(after);
      }
      if (records.length === 0 && !signal.aborted) await woken;
    }
  };

  const running = run();
  return {
    wake: () => wake(),
    close() {
      closing.abort();
      wake();
      return running;
    },
  };
}
