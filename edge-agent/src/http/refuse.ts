import { type Failure, httpStatusOf } from '@skerry/shared';
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';

/** A Failure as an HTTP response. */
export function refuse(c: Context, failure: Failure): Response {
  if (failure.retryAfterMs !== undefined)
    c.header('retry-after', String(Math.ceil(failure.retryAfterMs / 1000)));
  const { code, message, retryAfterMs } = failure;
  const status = httpStatusOf(failure) as ContentfulStatusCode;
  return c.json(
    { error: message, code, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
    status,
  );
}
