// What somebody brings as a document the library can hold: told by its media type, read as a person would read it,
// bounded, and refused with a reason where it cannot be.

import { err, failure, ok, type Result } from '@skerry/shared';
import type { SourceDocument } from '../passage.ts';
import { decodeText } from './decode-text.ts';
import {
  documentBytesMax,
  documentCharactersMax,
  type Read,
  type ReadInThread,
  type ThreadKind,
} from './reading.ts';

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

const uriCharactersMax = 512;
const titleCharactersMax = 200;
const cutPagesShown = 50;
/** Of all that a page says: more that no person would see is not an accident. */
const hiddenShareMax = 0.1;

/** By media type: what is text, here. */
const readers: Readonly<Record<string, (text: string) => Read | Promise<Read>>> = {
  'text/plain': (text) => ({ title: '', text }),
  'text/markdown': (text) => ({ title: headingOf(text), text }),
  // Loaded with the first page, as the languages with the first document: many agents have no library.
  'text/html': async (text) => (await import('./html-text.ts')).readHtml(text),
};
/** And what is read in a thread of its own. */
const threaded: Readonly<Record<string, ThreadKind>> = {
  'text/csv': 'csv',
  'text/tab-separated-values': 'csv',
  'application/pdf': 'pdf',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': 'docx',
};
const mediaTypes: readonly string[] = [...Object.keys(readers), ...Object.keys(threaded)];

/** Fails with `invalid_argument` and the reason, or `too_large`. */
export async function readDocument(
  brought: Brought,
  readInThread: ReadInThread,
): Promise<Result<SourceDocument>> {
  const { uri, mediaType, bytes, digest, trust } = brought;
  if (uri === '' || uri.length > uriCharactersMax)
    return err(failure('invalid_argument', `a uri has 1 to ${uriCharactersMax} characters`));
  if (bytes.length > documentBytesMax)
    return err(failure('too_large', `${bytes.length} bytes; at most ${documentBytesMax}`));
  const read = await readBytes(mediaType, bytes, readInThread);
  if (!read.ok) return read;
  const { text, title, pages, rows, hidden = 0, cutPages } = read.value;
  const meta =
    cutPages === undefined
      ? brought.meta
      : { ...brought.meta, cutPages: cutPages.slice(0, cutPagesShown).join(' ') };
  if (text.length > documentCharactersMax)
    return err(failure('too_large', `${text.length} characters; at most ${documentCharactersMax}`));
  if (text.trim() === '') return err(failure('invalid_argument', 'no text is in it'));
  if (hidden > text.length * hiddenShareMax)
    return err(failure('invalid_argument', `${hidden} characters of it are hidden from a reader`));
  const language = read.value.language ?? (await import('./language-of.ts')).languageOf(text);
  return ok({
    uri,
    title: (brought.title ?? (title || nameOf(uri))).slice(0, titleCharactersMax),
    text,
    digest,
    trust,
    ...(language === undefined ? {} : { language }),
    ...(pages === undefined ? {} : { pages }),
    ...(rows === undefined ? {} : { rows }),
    ...(brought.readers === undefined ? {} : { readers: brought.readers }),
    ...(meta === undefined ? {} : { meta }),
  });
}

async function readBytes(
  mediaType: string,
  bytes: Uint8Array,
  readInThread: ReadInThread,
): Promise<Result<Read>> {
  const kind = Object.hasOwn(threaded, mediaType) ? threaded[mediaType] : undefined;
  if (kind !== undefined) return readInThread(kind, bytes);
  const reader = Object.hasOwn(readers, mediaType) ? readers[mediaType] : undefined;
  if (reader === undefined)
    return err(
      failure('invalid_argument', `${mediaType} cannot be read; expected ${mediaTypes.join(', ')}`),
    );
  const text = decodeText(bytes);
  return text.ok ? ok(await reader(text.value)) : text;
}

const headingOf = (text: string): string =>
  /^#\s+(?<title>.+)$/m.exec(text)?.groups?.['title'] ?? '';
const nameOf = (uri: string): string => uri.split('/').at(-1) ?? uri;
