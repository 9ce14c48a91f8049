// Decisions as server-sent events. A viewer that reads too slowly misses decisions; nobody waits for it.

import { type Clock, type Log, messageOf, ok, type Result, sleep } from '@skerry/shared';
import type { Context } from 'hono';
import { type SSEStreamingApi, streamSSE } from 'hono/streaming';
import type { Decision, DecisionFeed } from '../observe/decision-feed.ts';

const heartbeatMs = 15_000;
const pendingMax = 256;
const reconnectMs = 2_000;

export function streamDecisions(
  c: Context,
  feed: DecisionFeed,
  clock: Clock,
  log: Log,
): Result<Response> {
  const pending: Decision[] = [];
  let wake = (): void => {};
  const subscribed = feed.subscribe((decision) => {
    pending.push(decision);
    if (pending.length > pendingMax) pending.shift();
    wake();
  });
  if (!subscribed.ok) return subscribed;

  const pump = async (stream: SSEStreamingApi): Promise<void> => {
    const gone = new AbortController();
    stream.onAbort(() => {
      gone.abort();
      wake();
    });
    await stream.writeSSE({ event: 'hello', data: '{}', retry: reconnectMs });
    while (!stream.aborted && !stream.closed) {
      const decision = pending.shift();
      if (decision !== undefined) {
        await stream.writeSSE({ event: 'decision', data: JSON.stringify(decision) });
        continue;
      }
      const quiet = new AbortController();
      wake = () => quiet.abort();
      await sleep(clock, heartbeatMs, AbortSignal.any([quiet.signal, gone.signal]));
      // A comment, which a browser ignores and a proxy counts as life.
      if (pending.length === 0 && !gone.signal.aborted) await stream.write(': alive\n\n');
    }
  };

  return ok(
    streamSSE(
      c,
      async (stream) => {
        try {
          await pump(stream);
        } finally {
          subscribed.value();
        }
      },
      async (error) => log.debug({ reason: messageOf(error) }, 'a viewer has gone'),
    ),
  );
}
