// The app on one device: shows it images at a steady pace and listens for late answers.

import { messageOf } from '@skerry/shared';
import { followAnswers, inferDigit } from '../fleet/agent-client.ts';
import { type Scoreboard, scoreAnswer, scoreLate } from './scoreboard.ts';

export interface LabelledImage {
  readonly id: string;
  readonly pixels: Uint8Array;
  readonly truth: string;
}

export interface FeedOptions {
  readonly imagesPerSecond: number;
  readonly signal: AbortSignal;
}

/** Requests of one app under way at once; a slower agent slows the pace. */
const concurrencyMax = 8;
const tickMs = 10;

/** Resolves when each image has been asked about and answered, or `signal` aborts. */
export async function feed(
  httpUrl: string,
  images: readonly LabelledImage[],
  board: Scoreboard,
  { imagesPerSecond, signal }: FeedOptions,
): Promise<void> {
  const local = new Map<string, { label: string; truth: string }>();
  // A late answer may overtake the response it comes after: the stream and the request are two connections.
  const early = new Map<string, string | undefined>();
  const settle = (id: string, label: string | undefined): void => {
    const given = local.get(id);
    if (given === undefined) {
      early.set(id, label);
      return;
    }
    scoreLate(board, given.label, label, given.truth);
    board.pending.delete(id);
    local.delete(id);
  };
  void followAnswers(
    () => httpUrl,
    ({ id, label }) => settle(id, label),
    signal,
  );

  const ask = async ({ id, pixels, truth }: LabelledImage): Promise<void> => {
    try {
      const answer = await inferDigit(httpUrl, id, pixels);
      scoreAnswer(board, id, answer, truth);
      if (!answer.pending) return;
      local.set(id, { label: answer.label, truth });
      if (early.has(id)) settle(id, early.get(id));
    } catch (thrown) {
      board.failed += 1;
      board.lastFailure = messageOf(thrown);
    }
  };

  const underWay = new Set<Promise<void>>();
  const startedMs = performance.now();
  while (board.asked < images.length && !signal.aborted) {
    const due = Math.ceil(((performance.now() - startedMs) / 1000) * imagesPerSecond);
    while (board.asked < Math.min(due, images.length) && underWay.size < concurrencyMax) {
      const image = images[board.asked++] as LabelledImage;
      const asking = ask(image).finally(() => underWay.delete(asking));
      underWay.add(asking);
    }
    await new Promise((resolve) => setTimeout(resolve, tickMs));
  }
  await Promise.all(underWay);
}
