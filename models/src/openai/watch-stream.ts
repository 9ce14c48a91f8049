import { ok, type Result } from '@skerry/shared';
import type { ChunkStream } from './text-server.ts';

/** The stream; `ended` hears once how it went, also where nobody reads it to its end and `signal` aborts. */
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
  const left = (): void => end(ok(undefined));
  if (signal?.aborted) left();
  signal?.addEventListener('abort', left, { once: true });
  return (async function* () {
    for await (const chunk of chunks) {
      if (!chunk.ok) end(chunk);
      yield chunk;
    }
    left();
  })();
}
