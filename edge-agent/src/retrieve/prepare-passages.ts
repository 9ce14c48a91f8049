// A document's passages with their vectors: those that the collection has already are taken from it. Where the embedder is
// somebody else's and is away, they come without, and get theirs later. [LIB40]

import { ok, type Result } from '@skerry/shared';
import type { PreparedPassage } from './collection-file.ts';
import type { CollectionThread } from './collections.ts';
import type { PassageSpan, SourceDocument } from './passage.ts';
import { semanticTurns } from './semantic-turns.ts';
import { type Chunking, splitRows } from './split-text.ts';
import { embedBatch, type TextEmbedder, vectorAt } from './text-embedder.ts';

export interface PreparedPassages {
  readonly passages: readonly PreparedPassage[];
  readonly embedded: number;
  /** Of semantic chunking: sentences that were looked at. */
  readonly sentences?: number;
}

export interface PreparePorts {
  readonly thread: Pick<CollectionThread, 'vectorsBy'>;
  readonly embedder: TextEmbedder | undefined;
  /** The same, where it remembers: sentences are embedded by it. Else by the other. */
  readonly remembering?: TextEmbedder | undefined;
  readonly chunking: Chunking;
  readonly digestOf: (bytes: Uint8Array) => string;
}

export type OnEmbedded = (embedded: number, passages: number) => void;

/** Of a passage, where nothing counts tokens: so many characters are one. */
const charactersPerToken = 4;
/** Shorter than the embedder could read, since the title and the headings are embedded with it. */
const passageTokensMax = 220;
const headingTokensMax = 30;

export async function preparePassages(
  source: SourceDocument,
  { thread, embedder, remembering = embedder, chunking, digestOf }: PreparePorts,
  onEmbedded: OnEmbedded,
): Promise<Result<PreparedPassages>> {
  const encoder = new TextEncoder();
  const cut = await split(source, chunking, remembering);
  if (!cut.ok) return cut;
  const { sentences } = cut.value;
  const spans = cut.value.spans.map((span) => {
    const text = embeddedText(source.title, span.heading, source.text.slice(span.start, span.end));
    return { span, text, textDigest: digestOf(encoder.encode(text)) };
  });
  if (embedder === undefined)
    return ok({
      passages: spans.map(({ span, textDigest }) => ({ ...span, textDigest })),
      embedded: 0,
    });
  const texts = new Map(spans.map((each) => [each.textDigest, each.text]));
  const vectors = await vectorsOf(texts, thread, embedder, onEmbedded);
  if (!vectors.ok) return vectors;
  const passages = spans.map(({ span, textDigest }) => {
    const vector = vectors.value.found.get(textDigest);
    return { ...span, textDigest, ...(vector === undefined ? {} : { vector }) };
  });
  const { embedded } = vectors.value;
  return ok({ passages, embedded, ...(sentences === undefined ? {} : { sentences }) });
}

/** By the texts' digests. Of an embedder elsewhere that fails there are those that came before. */
export async function vectorsOf(
  texts: ReadonlyMap<string, string>,
  thread: Pick<CollectionThread, 'vectorsBy'>,
  embedder: TextEmbedder,
  onEmbedded: OnEmbedded,
): Promise<
  Result<{
    readonly found: ReadonlyMap<string, Float32Array<ArrayBuffer>>;
    readonly embedded: number;
  }>
> {
  const known = await thread.vectorsBy([...texts.keys()]);
  if (!known.ok) return known;
  const found = new Map(known.value);
  const missing = [...texts].filter(([digest]) => !found.has(digest));
  for (let at = 0; at < missing.length; at += embedBatch) {
    const batch = missing.slice(at, at + embedBatch);
    const embedded = await embedder.embed(batch.map(([, text]) => text));
    if (!embedded.ok) return embedder.isElsewhere ? ok({ found, embedded: at }) : embedded;
    for (const [i, [digest]] of batch.entries())
      found.set(digest, vectorAt(embedded.value, i, embedder.dimensions));
    onEmbedded(at + batch.length, missing.length);
  }
  return ok({ found, embedded: missing.length });
}

async function split(
  { text, rows = [0] }: SourceDocument,
  method: Chunking,
  embedder: TextEmbedder | undefined,
): Promise<Result<{ readonly spans: readonly PassageSpan[]; readonly sentences?: number }>> {
  const options = {
    method,
    tokensMax: Math.min(
      passageTokensMax,
      (embedder?.tokensMax ?? Number.POSITIVE_INFINITY) - headingTokensMax - 2,
    ),
    countTokens:
      embedder?.countTokens ?? ((words: string) => Math.ceil(words.length / charactersPerToken)),
  };
  // Rows are passages already. [LIB24]
  if (method !== 'semantic' || embedder === undefined || rows.length > 1)
    return ok({ spans: splitRows(text, rows, options) });
  const found = await semanticTurns(text, options.tokensMax, embedder);
  if (!found.ok) return found;
  const { turns, sentences } = found.value;
  return ok({ spans: splitRows(text, rows, { ...options, turns }), sentences });
}

/** What is embedded of a passage: alone it often does not say what it is about. */
export const embeddedText = (title: string, heading: string, text: string): string =>
  `${[title, heading]
    .filter(Boolean)
    .join(' › ')
    .slice(0, headingTokensMax * charactersPerToken)}\n\n${text}`;
