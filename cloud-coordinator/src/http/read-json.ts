// A request's JSON body against its schema. Fails with `invalid_argument`.

import { describeIssues, err, failure, ok, parseJson, type Result } from '@skerry/shared';
import type { Context } from 'hono';
import type { z } from 'zod';

export async function readJson<T>(c: Context, schema: z.ZodType<T>): Promise<Result<T>> {
  const json = parseJson(new Uint8Array(await c.req.arrayBuffer()), 'the body');
  if (!json.ok) return json;
  const parsed = schema.safeParse(json.value);
  return parsed.success
    ? ok(parsed.data)
    : err(failure('invalid_argument', describeIssues(parsed.error, 'the body')));
}
