// A request's JSON body against its schema. Fails with `invalid_argument`.

import { describeIssues, err, failure, ok, parseJson, type Result } from '@skerry/shared';
import type { Context } from 'hono';
import type { z } from 'zod';

export async function readJson<T>(c: Context, schema: z.ZodType<T>): Promise<Result<T>> {
  // A page of somebody else's may send a form or plain text without being asked first, but not this.
  const type = c.req.header('content-type')?.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json')
    return err(
      failure('invalid_argument', `the body comes as application/json, not ${type ?? 'untyped'}`),
    );
  const json = parseJson(new Uint8Array(await c.req.arrayBuffer()), 'the body');
  if (!json.ok) return json;
  const parsed = schema.safeParse(json.value);
  return parsed.success
    ? ok(parsed.data)
    : err(failure('invalid_argument', describeIssues(parsed.error, 'the body')));
}
