// Questions that came with a collection, each with the document that answers it: a file beside the collection's.

import { existsSync, readFileSync, statSync } from 'node:fs';
import { describeIssues, err, failure, ok, parseJson, type Result } from '@skerry/shared';
import { z } from 'zod';
import type { LabelledQuestion } from '../retrieve/check-dense.ts';

const fileBytesMax = 1 << 20;
const questionsSchema = z
  .array(
    z.strictObject({ question: z.string().min(1).max(8_192), uri: z.string().min(1).max(512) }),
  )
  .max(1_000);

/** Undefined where there is none. Fails with `invalid_argument`. */
export function readQuestions(path: string): Result<readonly LabelledQuestion[] | undefined> {
  if (!existsSync(path)) return ok(undefined);
  if (statSync(path).size > fileBytesMax)
    return err(failure('invalid_argument', `${path} has over ${fileBytesMax} bytes`));
  const json = parseJson(readFileSync(path), path);
  if (!json.ok) return json;
  const parsed = questionsSchema.safeParse(json.value);
  return parsed.success
    ? ok(parsed.data)
    : err(failure('invalid_argument', describeIssues(parsed.error, path)));
}
