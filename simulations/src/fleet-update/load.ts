// The apps of the fleet: each asks its agent about one test image after the other, at a steady pace, whatever the agent
// does meanwhile.

import { messageOf } from '@skerry/shared';
import type { LabelledImage } from '../demo/feed.ts';
import { inferDigit } from '../fleet/agent-client.ts';
import type { SkerryProcess } from '../fleet/process.ts';

export interface Load {
  readonly asked: () => number;
  readonly failed: () => number;
  readonly lastFailure: () => string | undefined;
  /** Of the answers since the last call of it: right ones, and all. */
  lately(): { readonly right: number; readonly answers: number };
  /** Ends when each request that was begun has its answer. */
  stop(): Promise<void>;
}

export function startLoad(
  agents: readonly SkerryProcess[],
  images: readonly LabelledImage[],
  imagesPerSecond: number,
): Load {
  let asked = 0;
  let failed = 0;
  let lastFailure: string | undefined;
  let lately = { right: 0, answers: 0 };
  const stopping = new AbortController();
  const { signal } = stopping;
  const everyMs = 1_000 / imagesPerSecond;

  const ask = async (agent: SkerryProcess, { id, pixels, truth }: LabelledImage): Promise<void> => {
    asked += 1;
    try {
      const { label } = await inferDigit(agent.httpUrl, id, pixels);
      lately.answers += 1;
      if (label === truth) lately.right += 1;
    } catch (thrown) {
      failed += 1;
      lastFailure = `${agent.name}: ${messageOf(thrown)}`;
    }
  };
  const use = async (agent: SkerryProcess, place: number): Promise<void> => {
    // Apart from each other, in time and in what they show.
    await pause((everyMs * place) / agents.length);
    for (let i = place; !signal.aborted; i += agents.length) {
      const nextMs = performance.now() + everyMs;
      await ask(agent, images[i % images.length] as LabelledImage);
      await pause(nextMs - performance.now());
    }
  };
  const done = Promise.all(agents.map(use));
  return {
    asked: () => asked,
    failed: () => failed,
    lastFailure: () => lastFailure,
    lately() {
      const now = lately;
      lately = { right: 0, answers: 0 };
      return now;
    },
    async stop() {
      stopping.abort();
      await done;
    },
  };
}

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
