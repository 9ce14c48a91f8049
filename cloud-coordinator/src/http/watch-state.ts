// One rollout, or one learning run, as server-sent events: the whole of it at first and at each change, and now and then for
// its times. A viewer that reads too slowly misses what lies between; nobody waits for it.

import { type Clock, type Log, messageOf, sleep } from '@skerry/shared';
import type { Context } from 'hono';
import { type SSEStreamingApi, streamSSE } from 'hono/streaming';

export interface Watched<State> {
  /** The events' name. */
  readonly event: string;
  /** Of what is unchanged the same object. */
  state(): State | undefined;
  show(state: State): unknown;
}

const lookEveryMs = 1_000;
const showEveryMs = 10_000;
const reconnectMs = 2_000;

export function watchState<State>(
  c: Context,
  { event, state, show }: Watched<State>,
  { clock, log, onEnd }: { readonly clock: Clock; readonly log: Log; onEnd(): void },
): Response {
  const pump = async (stream: SSEStreamingApi): Promise<void> => {
    const gone = new AbortController();
    stream.onAbort(() => gone.abort());
    let shown: State | undefined;
    let shownMs = 0;
    let retry: { retry?: number } = { retry: reconnectMs };
    while (!stream.aborted && !stream.closed) {
      const now = state();
      const nowMs = clock.nowMs();
      if (now !== undefined && (now !== shown || nowMs - shownMs >= showEveryMs)) {
        [shown, shownMs] = [now, nowMs];
        await stream.writeSSE({ event, data: JSON.stringify(show(now)), ...retry });
        retry = {};
      }
      await sleep(clock, lookEveryMs, gone.signal);
    }
  };
  return streamSSE(
    c,
    async (stream) => {
      try {
        await pump(stream);
      } finally {
        onEnd();
      }
    },
    async (error) => log.debug({ reason: messageOf(error) }, 'a viewer has gone'),
  );
}
