// A chat completion as OpenAI's API streams it: server-sent events of chunks, and `[DONE]`. Pure: text in, deltas out.

import { err, failure, ok, type Result } from '@skerry/shared';
import { z } from 'zod';
import { type TokenProbability, tokenProbabilities } from './chat-confidence.ts';
import { textOf } from './upstream-error.ts';

const chunkSchema = z.looseObject({
  choices: z
    .array(
      z.looseObject({
        delta: z.looseObject({ content: z.string().nullish() }).nullish(),
        finish_reason: z.string().nullish(),
        logprobs: tokenProbabilities.nullish(),
      }),
    )
    .default([]),
});

export interface ChatStream {
  /** Takes the next piece of the response and returns the text that it brings. */
  push(text: string): Result<string>;
  /** The whole, once the response has ended; fails with `unavailable` where it ended too early. */
  end(): Result<{ text: string; finishReason: string; logprobs: readonly TokenProbability[] }>;
}

/** Characters of one event, and of the whole text. */
const eventCharsMax = 1_000_000;
const textCharsMax = 4_000_000;

export function createChatStream(): ChatStream {
  let rest = '';
  let text = '';
  let finishReason: string | undefined;
  let done = false;
  const logprobs: TokenProbability[] = [];

  const take = (data: string): Result<string> => {
    if (data === '[DONE]') {
      done = true;
      return ok('');
    }
    let json: unknown;
    try {
      json = JSON.parse(data);
    } catch {
      return err(failure('runtime_failed', 'an event of the stream is no JSON'));
    }
    if (typeof json === 'object' && json !== null && ('error' in json || 'detail' in json))
      return err(failure('runtime_failed', textOf(new TextEncoder().encode(data))));
    const chunk = chunkSchema.safeParse(json);
    if (!chunk.success) return err(failure('runtime_failed', 'an event of the stream is no chunk'));
    const [choice] = chunk.data.choices;
    finishReason = choice?.finish_reason ?? finishReason;
    logprobs.push(...(choice?.logprobs?.content ?? []));
    return ok(choice?.delta?.content ?? '');
  };

  return {
    push(piece) {
      rest += piece;
      if (rest.length > eventCharsMax || text.length > textCharsMax)
        return err(failure('runtime_failed', 'the stream exceeds its bounds'));
      const lines = rest.split(/\r\n|\n|\r/);
      rest = lines.pop() ?? '';
      let delta = '';
      for (const line of lines) {
        if (!line.startsWith('data:')) continue;
        const taken = take(line.slice('data:'.length).trim());
        if (!taken.ok) return taken;
        delta += taken.value;
      }
      text += delta;
      return ok(delta);
    },
    end() {
      if (!done && finishReason === undefined)
        return err(failure('unavailable', 'the stream ended before its answer'));
      return ok({ text, finishReason: finishReason ?? 'stop', logprobs });
    },
  };
}
