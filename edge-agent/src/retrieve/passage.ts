// What a library holds: collections of documents, cut into passages, which are what is found and cited.

/** Where something lies in a document's text: UTF-16 offsets, the end not included. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A document as it was read: its text, and what is known of it. */
export interface SourceDocument {
  /** Names it in its collection, for ever: a path, an address, a row. */
  readonly uri: string;
  readonly title: string;
  readonly text: string;
  /** sha256 of the bytes it was read from. */
  readonly digest: string;
  /** BCP 47, where it is known. */
  readonly language?: string;
  /** Of whoever gave it, 0–1: what is less trusted ranks lower. */
  readonly trust: number;
  /** Who may read it; absent: everybody. */
  readonly readers?: readonly string[];
  readonly meta?: Readonly<Record<string, string>>;
  /** Where pages begin in the text, where it has pages. */
  readonly pages?: readonly number[];
  /** Where rows begin in the text, where it is a table; the first at 0. */
  readonly rows?: readonly number[];
}

/** Of whom it came: what a source calls itself. */
export const sourceOf = ({ meta }: Pick<SourceDocument, 'meta'>): string => meta?.['source'] ?? '';

/** A piece of a document: its passages are its text, without gap or overlap. */
export interface PassageSpan extends Span {
  /** The headings that it stands under, the nearest last. */
  readonly heading: string;
}

export interface Passage extends PassageSpan {
  readonly id: number;
  readonly collection: string;
  readonly uri: string;
  readonly title: string;
  /** Of the document's bytes. */
  readonly digest: string;
  readonly version: number;
  readonly ordinal: number;
  readonly text: string;
  readonly page?: number;
  /** Of whom it came, where that is known. */
  readonly source?: string;
  readonly trust: number;
}

/** Names it among the passages of all collections: each collection counts its own. */
export const passageKey = ({ collection, id }: Pick<Passage, 'collection' | 'id'>): string =>
  `${collection} ${id}`;

/** Who asks. */
export interface Reader {
  /** What it may act as; what is for everybody it may read without any. */
  readonly principals: readonly string[];
}

export interface SearchFilter {
  readonly uri?: string;
  readonly language?: string;
  /** All of these. */
  readonly meta?: Readonly<Record<string, string>>;
}
