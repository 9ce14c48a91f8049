// A stream of chunks as server-sent events. A reader that is slow slows down whoever computes; one that leaves, or that
// reads no more, ends it.

import { type Clock, type Failure, failure, messageOf, type Timer } from '@skerry/shared';
import { describeOpenAiError } from './openai-error.ts';
import type { ChunkStream, TextDecision } from './text-server.ts';

/** A chunk that nobody has taken for so long will not be taken. */
export const readerTimeoutMs = 60_000;

/** @param stop ends what gives the chunks */
export function createEventStream(
  chunks: ChunkStream,
  decision: TextDecision | undefined,
  clock: Pick<Clock, 'after'>,
  stop: () => void,
): ReadableStream<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  const event = (data: string): Uint8Array => encoder.encode(`data: ${data}\n\n`);
  let first = true;
  let reading: Timer | undefined;
  const end = (): void => {
    reading?.cancel();
    stop();
  };
  return new ReadableStream({
    async pull(controller) {
      reading?.cancel();
      const close = (last: string): void => {
        controller.enqueue(event(last));
        controller.close();
        end();
      };
      // No [DONE] after an error: that would say that the answer is whole.
      const fail = (why: Failure): void => close(JSON.stringify(describeOpenAiError(why)));
      try {
        const next = await iterator.next();
        if (next.done) return close('[DONE]');
        if (!next.value.ok) return fail(next.value.error);
        const skerry = first && decision !== undefined ? { skerry: decision } : {};
        first = false;
        controller.enqueue(event(JSON.stringify({ ...next.value.value, ...skerry })));
        reading = clock.after(readerTimeoutMs, () => {
          controller.error(new Error('nobody reads the stream'));
          end();
        });
      } catch (thrown) {
        fail(failure('internal', messageOf(thrown)));
      }
    },
    cancel: end,
  });
}
