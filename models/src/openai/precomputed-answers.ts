// Answers that somebody has written down before: the end of a chain of fallbacks, when nothing else can be reached. A
// chat is answered by its last question, spelled alike; `otherwise` is for all others.

import { type Clock, err, failure, ok, parseJson, type Result } from '@skerry/shared';
import { z } from 'zod';
import { type ChatRequest, type JsonObject, questionOf, type TextServer } from './text-server.ts';

const answersSchema = z.strictObject({
  answers: z
    .array(z.strictObject({ question: z.string().min(1), answer: z.string() }))
    .max(100_000),
  otherwise: z.string().optional(),
});

/** Fails with `invalid_config`. */
export function createPrecomputedAnswers(
  name: string,
  file: Uint8Array,
  clock: Pick<Clock, 'nowMs'>,
): Result<TextServer> {
  const json = parseJson(file, `the answers of ${name}`, 'invalid_config');
  if (!json.ok) return json;
  const read = answersSchema.safeParse(json.value);
  if (!read.success)
    return err(
      failure(
        'invalid_config',
        `${name}: expected answers, and otherwise: ${read.error.issues[0]?.message}`,
      ),
    );
  const { otherwise } = read.data;
  const answers = new Map(
    read.data.answers.map(({ question, answer }) => [spell(question), answer]),
  );
  let given = 0;
  return ok({
    name,
    list: async () => ok([]),
    async chat(request) {
      const text = answers.get(spell(questionOf(request))) ?? otherwise;
      if (text === undefined) return err(failure('not_found', `${name} has no answer to that`));
      given += 1;
      const head = {
        id: `chatcmpl-${name}-${given}`,
        created: Math.floor(clock.nowMs() / 1_000),
        model: request.model,
      };
      return ok(
        request.stream === true
          ? { chunks: chunksOf(head, text, request) }
          : { completion: completionOf(head, text) },
      );
    },
  });
}

/** Nothing was computed. */
const usage = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };

function completionOf(head: JsonObject, content: string): JsonObject {
  const message = { role: 'assistant', content, refusal: null };
  const choices = [{ index: 0, message, logprobs: null, finish_reason: 'stop' }];
  return { ...head, object: 'chat.completion', choices, usage };
}

async function* chunksOf(
  head: JsonObject,
  content: string,
  { stream_options: options }: ChatRequest,
): AsyncGenerator<Result<JsonObject>> {
  const chunk = { ...head, object: 'chat.completion.chunk' };
  const choice = (delta: JsonObject, reason: string | null) =>
    ok({ ...chunk, choices: [{ index: 0, delta, logprobs: null, finish_reason: reason }] });
  yield choice({ role: 'assistant', content }, null);
  yield choice({}, 'stop');
  if (options?.include_usage === true) yield ok({ ...chunk, choices: [], usage });
}

const spell = (text: string): string =>
  text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\s\p{P}]+/gu, ' ')
    .trim();
