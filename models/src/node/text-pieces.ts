// Text from somebody who pushes it, for somebody who reads it.

import { ok, type Result } from '@skerry/shared';

export interface TextPieces extends AsyncIterable<string> {
  readonly begun: Promise<Result<void>>;
  push(text: string): void;
  end(): void;
}

/** What is not read yet waits: as much as an answer may be long. `begun` is kept with the first piece. */
export function createPieces(): TextPieces {
  const waiting: string[] = [];
  let over = false;
  let wake = (): void => {};
  let started = (): void => {};
  const begun = new Promise<void>((resolve) => {
    started = resolve;
  });
  return {
    begun: begun.then(() => ok(undefined)),
    push(text: string): void {
      waiting.push(text);
      started();
      wake();
    },
    end(): void {
      over = true;
      wake();
    },
    async *[Symbol.asyncIterator](): AsyncGenerator<string> {
      for (;;) {
        yield* waiting.splice(0);
        if (over && waiting.length === 0) return;
        if (waiting.length === 0)
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    },
  };
}
