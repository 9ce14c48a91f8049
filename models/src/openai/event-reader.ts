// A chat completion as OpenAI's API streams it: server-sent events of chunks, and `[DONE]`. Pure: text in, chunks out.

import { err, type Failure, failure, ok, type Result } from '@skerry/shared';
import { z } from 'zod';
import type { JsonObject } from './text-server.ts';

export interface EventReader {
  /** Takes the next piece of the response, and returns the chunks that it completes and what then went wrong, if it did. */
  push(text: string): { readonly chunks: readonly JsonObject[]; readonly failure?: Failure };
  /** `[DONE]` has come. */
  done(): boolean;
  /** The response has ended; fails with `unavailable` where it ended too early. */
  end(): Result<void>;
}

/** Characters of one event, and of the whole stream: 20 alternatives to each token take some 2 KB. */
export const eventCharsMax = 1_000_000;
export const streamCharsMax = 67_108_864;

const chunkSchema = z.looseObject({
  choices: z.array(z.looseObject({ finish_reason: z.string().nullish() })).optional(),
});

/** Under either name; a field that is null in every chunk says that nothing has failed. */
const tellsError = (json: object): boolean =>
  ('error' in json && json.error != null) || ('detail' in json && json.detail != null);

/** @param errorTextOf reads an error in whichever of the shapes that are in the wild */
export function createEventReader(errorTextOf: (body: Uint8Array) => string): EventReader {
  let rest = '';
  let chars = 0;
  let finished = false;
  let done = false;

  const broken = (text: string) => err(failure('runtime_failed', text));
  const errorOf = (data: string) =>
    broken(`the stream failed: ${errorTextOf(new TextEncoder().encode(data))}`);

  const take = (data: string): Result<JsonObject | undefined> => {
    if (data === '[DONE]') {
      done = true;
      return ok(undefined);
    }
    let json: unknown;
    try {
      json = JSON.parse(data);
    } catch {
      return broken('an event of the stream is no JSON');
    }
    if (typeof json === 'object' && json !== null && tellsError(json)) return errorOf(data);
    const chunk = chunkSchema.safeParse(json);
    if (!chunk.success) return broken('an event of the stream is no chunk');
    if (chunk.data.choices?.some(({ finish_reason: reason }) => reason != null)) finished = true;
    // As it came: the schema's order of fields is not the server's.
    return ok(json as JsonObject);
  };

  const takeLine = (line: string): Result<JsonObject | undefined> => {
    // llama.cpp names the field so where it fails in the middle; Ollama then writes its error without one.
    if (/^(error:|\{)/.test(line)) return errorOf(line.replace(/^error:/, '').trim());
    return line.startsWith('data:') && !done
      ? take(line.slice('data:'.length).trim())
      : ok(undefined);
  };

  return {
    push(text) {
      rest += text;
      chars += text.length;
      const chunks: JsonObject[] = [];
      if (chars > streamCharsMax)
        return { chunks, failure: failure('runtime_failed', 'the stream exceeds its bound') };
      const lines = rest.split(/\r\n|\n|\r/);
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const taken = takeLine(line);
        if (!taken.ok) return { chunks, failure: taken.error };
        if (taken.value !== undefined) chunks.push(taken.value);
      }
      return rest.length > eventCharsMax
        ? { chunks, failure: failure('runtime_failed', 'an event exceeds its bound') }
        : { chunks };
    },
    done: () => done,
    end() {
      if (rest.startsWith('{')) return errorOf(rest);
      return done || finished
        ? ok(undefined)
        : err(failure('unavailable', 'the stream ended before its answer'));
    },
  };
}
