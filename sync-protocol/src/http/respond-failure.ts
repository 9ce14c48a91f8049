import { type Failure, httpStatusOf } from '@skerry/shared';
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';

/** The one shape of an error in this API. */
export function respondFailure(c: Context, failed: Failure): Response {
  const { code, message, retryAfterMs } = failed;
  if (retryAfterMs !== undefined) c.header('Retry-After', String(Math.ceil(retryAfterMs / 1_000)));
  return c.json({ error: message, code }, httpStatusOf(failed) as ContentfulStatusCode);
}
