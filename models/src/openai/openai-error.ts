// A Failure as OpenAI's API says it, for a response and for an event in the middle of a stream.

import { type Failure, type FailureCode, httpStatusOf } from '@skerry/shared';

const typeOf = (code: FailureCode, status: number): string => {
  if (code === 'overloaded') return 'overloaded_error';
  if (code === 'unauthenticated') return 'authentication_error';
  if (code === 'permission_denied') return 'permission_error';
  return status < 500 ? 'invalid_request_error' : 'server_error';
};

export function describeOpenAiError(failed: Failure) {
  const { code, message } = failed;
  return { error: { message, type: typeOf(code, httpStatusOf(failed)), param: null, code } };
}

export function openAiErrorResponse(failed: Failure): Response {
  const { retryAfterMs } = failed;
  return Response.json(describeOpenAiError(failed), {
    status: httpStatusOf(failed),
    headers:
      retryAfterMs === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfterMs / 1_000)) },
  });
}
