// JSON from outside. V8 quotes the text that it could not parse; a payload or a password must not travel in an error.

import { type Failure, failure } from './failure.ts';
import { err, ok, type Result } from './result.ts';

const reasonCharsMax = 80;

/** Fails with `code` where the bytes are no UTF-8 or no JSON. `what` names them: a path, 'the request'. */
export function parseJson(
  bytes: Uint8Array,
  what: string,
  code: Failure['code'] = 'invalid_argument',
): Result<unknown> {
  try {
    return ok(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)));
  } catch (thrown) {
    const reason = thrown instanceof SyntaxError ? withoutQuotes(thrown.message) : 'no UTF-8';
    return err(failure(code, `${what} is no JSON: ${reason}`));
  }
}

const withoutQuotes = (message: string): string =>
  message.replace(/,? ?(\.\.\.)?["'`][\s\S]*["'`](\.\.\.)?/, '').slice(0, reasonCharsMax);
