// Answers that came with a collection, into the cache: their form is checked here, and what they cite where they are kept.

import { err, failure, ok, type Result } from '@skerry/shared';
import { z } from 'zod';
import { type Precomputed, precomputedAnswerSchema, precomputedMax } from './precomputed.ts';

const answersSchema = z.array(precomputedAnswerSchema).max(precomputedMax);
/** Of what is told: of one citation that was not found, and of one field that is wrong. */
const reasonCharactersMax = 300;

/** Says what became of them. Fails with `malformed_message` where they are no such answers: then none is kept. */
export const keepPushed =
  (precomputed: Precomputed) =>
  async (collection: string, answers: unknown): Promise<Result<string>> => {
    const parsed = answersSchema.safeParse(answers);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      const place = issue?.path.join('.') || 'all of them';
      const reason = `answers: ${place}: ${issue?.message}`.slice(0, reasonCharactersMax);
      return err(failure('malformed_message', reason));
    }
    const replaced = await precomputed.replace(collection, parsed.data);
    if (!replaced.ok) return replaced;
    const { kept, refused } = replaced.value;
    const [first] = refused;
    if (first === undefined) return ok(`${kept} kept`);
    const why = `answer ${first.index}: ${first.reason}`.slice(0, reasonCharactersMax);
    return ok(`${kept} kept, ${refused.length} refused; ${why}`);
  };
