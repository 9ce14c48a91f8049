// What somebody brings as a document the library can hold: told by its media type, read as a person would read it,
// bounded, and refused with a reason where it cannot be.

import { err, failure, ok, type Result } from '@skerry/shared';
import type { SourceDocument } from '../passage.ts';
import { readHtml } from './html-text.ts';

export interface Brought {
  readonly uri: string;
  /** Without parameters: `text/html`. */
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  /** sha256 of them. */
  readonly digest: string;
  readonly title?: string;
  readonly trust: number;
  readonly readers?: readonly string[];
  readonly meta?: Readonly<Record<string, string>>;
}

export const documentBytesMax = 64 * 1024 * 1024;
export const documentCharactersMax = 16_000_000;
const uriCharactersMax = 512;
const titleCharactersMax = 200;
/** Of all that a page says: more that no person would see is not an accident. */
const hiddenShareMax = 0.1;

type Read = Pick<SourceDocument, 'title' | 'text' | 'language' | 'pages'> & {
  readonly hidden?: number;
};
type Reader = (bytes: Uint8Array) => Result<Read> | Promise<Result<Read>>;

/** By media type. */
const readers: Readonly<Record<string, Reader>> = {
  'text/plain': (bytes) => withText(bytes, (text) => ({ title: '', text })),
  'text/markdown': (bytes) => withText(bytes, (text) => ({ title: headingOf(text), text })),
  'text/html': (bytes) => withText(bytes, readHtml),
};
export const mediaTypes: readonly string[] = Object.keys(readers);

/** Fails with `invalid_argument` and the reason, or `too_large`. */
export async function readDocument(brought: Brought): Promise<Result<SourceDocument>> {
  const { uri, mediaType, bytes, digest, trust } = brought;
  if (uri === '' || uri.length > uriCharactersMax)
    return err(failure('invalid_argument', `a uri has 1 to ${uriCharactersMax} characters`));
  if (bytes.length > documentBytesMax)
    return err(failure('too_large', `${bytes.length} bytes; at most ${documentBytesMax}`));
  const reader = readers[mediaType];
  if (reader === undefined)
    return err(
      failure('invalid_argument', `${mediaType} cannot be read; expected ${mediaTypes.join(', ')}`),
    );
  const read = await reader(bytes);
  if (!read.ok) return read;
  const { text, title, language, pages, hidden = 0 } = read.value;
  if (text.length > documentCharactersMax)
    return err(failure('too_large', `${text.length} characters; at most ${documentCharactersMax}`));
  if (text.trim() === '') return err(failure('invalid_argument', 'no text is in it'));
  if (hidden > text.length * hiddenShareMax)
    return err(failure('invalid_argument', `${hidden} characters of it are hidden from a reader`));
  return ok({
    uri,
    title: (brought.title ?? (title || nameOf(uri))).slice(0, titleCharactersMax),
    text,
    digest,
    trust,
    ...(language === undefined ? {} : { language }),
    ...(pages === undefined ? {} : { pages }),
    ...(brought.readers === undefined ? {} : { readers: brought.readers }),
    ...(brought.meta === undefined ? {} : { meta: brought.meta }),
  });
}

/** UTF-8, and with a byte order mark UTF-16; a NUL says that it is no text. */
function withText(bytes: Uint8Array, read: (text: string) => Read): Result<Read> {
  const encoding =
    bytes[0] === 0xff && bytes[1] === 0xfe
      ? 'utf-16le'
      : bytes[0] === 0xfe && bytes[1] === 0xff
        ? 'utf-16be'
        : 'utf-8';
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
    if (text.includes('\0')) return err(failure('invalid_argument', 'it is no text'));
    return ok(read(text.replaceAll('\r\n', '\n')));
  } catch {
    return err(failure('invalid_argument', `it is not ${encoding}`));
  }
}

const headingOf = (text: string): string =>
  /^#\s+(?<title>.+)$/m.exec(text)?.groups?.['title'] ?? '';
const nameOf = (uri: string): string => uri.split('/').at(-1) ?? uri;
