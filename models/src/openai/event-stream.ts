// A stream of chunks as server-sent events. A reader that is slow slows down whoever computes; one that leaves ends it.

import { type Failure, failure, messageOf } from '@skerry/shared';
import { describeOpenAiError } from './openai-error.ts';
import type { ChunkStream, TextDecision } from './text-server.ts';

/** @param stop ends what gives the chunks */
export function createEventStream(
  chunks: ChunkStream,
  decision: TextDecision | undefined,
  stop: () => void,
): ReadableStream<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  const event = (data: string): Uint8Array => encoder.encode(`data: ${data}\n\n`);
  let first = true;
  return new ReadableStream({
    async pull(controller) {
      const failed = (why: Failure): void => {
        // No [DONE]: that would say that the answer is whole.
        controller.enqueue(event(JSON.stringify(describeOpenAiError(why))));
        controller.close();
        stop();
      };
      try {
        const next = await iterator.next();
        if (next.done) {
          controller.enqueue(event('[DONE]'));
          controller.close();
        } else if (!next.value.ok) failed(next.value.error);
        else {
          const skerry = first && decision !== undefined ? { skerry: decision } : {};
          first = false;
          controller.enqueue(event(JSON.stringify({ ...next.value.value, ...skerry })));
        }
      } catch (thrown) {
        failed(failure('internal', messageOf(thrown)));
      }
    },
    cancel: stop,
  });
}
