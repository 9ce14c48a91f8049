import { type Failure, httpStatusOf } from '@skerry/shared';
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';

declare module 'hono' {
  interface ContextVariableMap {
    /** The code that the response refuses with, for who counts. */
    refused?: Failure['code'];
  }
}

/** A Failure as an HTTP response. */
export function refuse(c: Context, failure: Failure): Response {
  c.set('refused', failure.code);
  if (failure.retryAfterMs !== undefined)
    c.header('retry-after', String(Math.ceil(failure.retryAfterMs / 1000)));
  const { code, message, retryAfterMs } = failure;
  const status = httpStatusOf(failure) as ContentfulStatusCode;
  return c.json(
    { error: message, code, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
    status,
  );
}
