// The errors of other servers as Failures. Three shapes are in the wild: {"error": "text"} (Open Inference Protocol),
// {"error": {"message", "type", "code"}} (OpenAI, vLLM) and {"detail": …} (FastAPI). The status says what it is; the text
// is for a person.

import { z } from 'zod';
import { type Failure, type FailureCode, failure } from '../failure.ts';

const messageCharsMax = 300;

const codeByStatus: Readonly<Record<number, FailureCode>> = {
  400: 'invalid_argument',
  401: 'unauthenticated',
  403: 'permission_denied',
  404: 'model_not_found',
  408: 'deadline_exceeded',
  413: 'too_large',
  422: 'invalid_argument',
  424: 'runtime_failed',
  429: 'overloaded',
  500: 'runtime_failed',
  501: 'unsupported_version',
  503: 'overloaded',
  504: 'deadline_exceeded',
};

const shapesSchema = z.union([
  z.object({ error: z.string() }).transform(({ error }) => error),
  z.object({ error: z.object({ message: z.string() }) }).transform(({ error }) => error.message),
  z.object({ detail: z.string() }).transform(({ detail }) => detail),
  z
    .object({
      detail: z.array(z.object({ msg: z.string(), loc: z.array(z.unknown()).optional() })),
    })
    .transform(({ detail }) =>
      detail.map(({ msg, loc }) => (loc ? `${loc.join('.')}: ${msg}` : msg)).join('; '),
    ),
]);

/** Triton says 400 where others say 404. */
const unknownModel = /unknown model|no such model|model .*(not found|does not exist)/i;

/** @param retryAfter the `Retry-After` header */
export function serverFailure(
  server: string,
  status: number,
  body: Uint8Array,
  retryAfter?: string | null,
): Failure {
  const text = errorTextOf(body).slice(0, messageCharsMax);
  const known = codeByStatus[status] ?? (status >= 500 ? 'unavailable' : 'invalid_argument');
  const code = known === 'invalid_argument' && unknownModel.test(text) ? 'model_not_found' : known;
  const seconds = Number(retryAfter ?? Number.NaN);
  return failure(
    code,
    `${server} answered ${status}: ${text}`,
    Number.isFinite(seconds) && seconds >= 0 ? { retryAfterMs: seconds * 1_000 } : {},
  );
}

/** The text of an error in any of the shapes; what is in none is quoted as it is. */
export function errorTextOf(body: Uint8Array): string {
  const text = new TextDecoder().decode(body.subarray(0, 16_384));
  try {
    const known = shapesSchema.safeParse(JSON.parse(text));
    return known.success ? known.data : text;
  } catch {
    return text;
  }
}
