import { err, failure, ok, type Result } from '@skerry/shared';
import type { ChunkStream } from './text-server.ts';

/**
 * The stream; `ended` hears once how it went. Where who reads it leaves, or `signal` aborts, before its end, that is a
 * Failure: what is not there yet might never have come.
 */
export function watchStream(
  chunks: ChunkStream,
  signal: AbortSignal | undefined,
  ended: (result: Result<unknown>) => void,
): ChunkStream {
  let over = false;
  const end = (result: Result<unknown>): void => {
    if (!over) ended(result);
    over = true;
  };
  const left = (): void => end(err(failure('unavailable', 'the caller has gone')));
  if (signal?.aborted) left();
  signal?.addEventListener('abort', left, { once: true });
  return (async function* () {
    try {
      for await (const chunk of chunks) {
        if (!chunk.ok) end(chunk);
        yield chunk;
      }
      end(ok(undefined));
    } finally {
      left();
    }
  })();
}
