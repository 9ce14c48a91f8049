// Upstream over answers that somebody has written down before: the end of a chain of fallbacks, when nothing else can be
// reached. A chat is answered by its last question, spelled alike; `otherwise` is for all others.

import { err, failure, ok, parseJson, type Result } from '@skerry/shared';
import { z } from 'zod';
import type { Upstream } from './upstream.ts';

const answersSchema = z.strictObject({
  answers: z
    .array(z.strictObject({ question: z.string().min(1), answer: z.string() }))
    .max(100_000),
  otherwise: z.string().optional(),
});

/** Fails with `invalid_config`. */
export function createPrecomputedUpstream(name: string, file: Uint8Array): Result<Upstream> {
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
  return ok({
    name,
    health: async () => ok(undefined),
    async chat({ messages, onDelta }) {
      const question = messages.findLast(({ role }) => role === 'user')?.content ?? '';
      const text = answers.get(spell(question)) ?? otherwise;
      if (text === undefined) return err(failure('not_found', `${name} has no answer to that`));
      onDelta?.(text);
      return ok({ text, finishReason: 'stop' });
    },
  });
}

const spell = (text: string): string =>
  text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\s\p{P}]+/gu, ' ')
    .trim();
