// How deep JSON may nest. Looked at before it is parsed: what a body of brackets costs is then one look at each byte.

import { err, failure, ok, type Result } from '@skerry/shared';

/** Triton's HTTP frontend has the same. */
const jsonDepthMax = 100;

const [quote, backslash, openBrace, closeBrace, openBracket, closeBracket] = [...'"\\{}[]'].map(
  (character) => character.charCodeAt(0),
);

/** Fails with `invalid_argument`. */
export function checkDepth(json: Uint8Array, what: string): Result<void> {
  let depth = 0;
  let inText = false;
  for (let at = 0; at < json.byteLength; at++) {
    const byte = json[at];
    if (inText) {
      if (byte === backslash) at += 1;
      else if (byte === quote) inText = false;
    } else if (byte === quote) inText = true;
    else if (byte === closeBrace || byte === closeBracket) depth -= 1;
    else if ((byte === openBrace || byte === openBracket) && ++depth > jsonDepthMax)
      return err(failure('invalid_argument', `${what} nests deeper than ${jsonDepthMax}`));
  }
  return ok(undefined);
}
