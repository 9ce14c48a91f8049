// Of a document's text the turns at which semantic chunking cuts it: its sentences are embedded by what embeds passages.
// What one passage holds with all that stands under its heading has none, and costs nothing. [LIB56]

import { ok, type Result } from '@skerry/shared';
import { findTurns } from './find-turns.ts';
import { atomsOf, breaks } from './split-text.ts';
import { embedBatch, type TextEmbedder, vectorAt } from './text-embedder.ts';

export interface SemanticTurns {
  /** The places of atoms. */
  readonly turns: ReadonlySet<number>;
  /** Sentences that were looked at. */
  readonly sentences: number;
}

/** Of one document; behind them it is cut as `recursive` cuts. */
export const sentencesMax = 10_000;

interface Sentence {
  readonly atom: number;
  readonly text: string;
}

/** Of an embedder elsewhere that is away there are none, and the text is cut as `recursive` cuts. */
export async function semanticTurns(
  text: string,
  tokensMax: number,
  embedder: TextEmbedder,
): Promise<Result<SemanticTurns>> {
  const turns = new Set<number>();
  let sentences = 0;
  for (const section of sectionsOf(text, tokensMax, embedder)) {
    const looked = section.slice(0, sentencesMax - sentences);
    const vectors = await embedAll(looked, embedder);
    if (!vectors.ok) return embedder.isElsewhere ? ok({ turns: new Set(), sentences: 0 }) : vectors;
    sentences += looked.length;
    for (const gap of findTurns(vectors.value)) turns.add((looked[gap] as Sentence).atom);
  }
  return ok({ turns, sentences });
}

/** The sentences under each heading, where they are more than one passage holds. */
function sectionsOf(
  text: string,
  tokensMax: number,
  { countTokens }: TextEmbedder,
): readonly (readonly Sentence[])[] {
  const sections: Sentence[][] = [[]];
  for (const [atom, { start, end, breakAfter, level }] of atomsOf(text).entries()) {
    const sentence = text.slice(start, end).trim();
    if (sentence !== '' && level === undefined) sections.at(-1)?.push({ atom, text: sentence });
    if (breakAfter === breaks.heading) sections.push([]);
  }
  const tokensOf = (section: readonly Sentence[]): number =>
    section.reduce((sum, sentence) => sum + countTokens(sentence.text), 0);
  return sections.filter((section) => tokensOf(section) > tokensMax);
}

async function embedAll(
  sentences: readonly Sentence[],
  embedder: TextEmbedder,
): Promise<Result<readonly Float32Array[]>> {
  const vectors: Float32Array[] = [];
  for (let at = 0; at < sentences.length; at += embedBatch) {
    const batch = sentences.slice(at, at + embedBatch);
    const embedded = await embedder.embed(batch.map((sentence) => sentence.text));
    if (!embedded.ok) return embedded;
    for (const i of batch.keys()) vectors.push(vectorAt(embedded.value, i, embedder.dimensions));
  }
  return ok(vectors);
}
