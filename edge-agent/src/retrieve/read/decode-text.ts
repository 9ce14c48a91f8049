// Bytes as text: UTF-8, and with a byte order mark UTF-16. A NUL says that they are no text.

import { err, failure, ok, type Result } from '@skerry/shared/plain';

/** Fails with `invalid_argument`. Lines end with `\n`. */
export function decodeText(bytes: Uint8Array): Result<string> {
  const encoding =
    bytes[0] === 0xff && bytes[1] === 0xfe
      ? 'utf-16le'
      : bytes[0] === 0xfe && bytes[1] === 0xff
        ? 'utf-16be'
        : 'utf-8';
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
    if (text.includes('\0')) return err(failure('invalid_argument', 'it is no text'));
    return ok(text.replaceAll('\r\n', '\n'));
  } catch {
    return err(failure('invalid_argument', `it is not ${encoding}`));
  }
}
