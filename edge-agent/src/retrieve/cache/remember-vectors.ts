// Vectors that were made before: of questions that are asked again, and of the sentences of passages that are found again
// and again. The same text has the same vector of the same embedder, so nothing is lost by it. In memory alone: vectors
// tell of their text.

import { ok, type Result } from '@skerry/shared';
import type { TextEmbedder } from '../text-embedder.ts';

export interface VectorFigures {
  readonly entries: number;
  readonly entriesMax: number;
  readonly hits: number;
  readonly misses: number;
}

export interface VectorMemory {
  /** The same embedder, remembering. What it has remembered is there also while it is away. */
  remembering(embedder: TextEmbedder): TextEmbedder;
  figures(): VectorFigures;
  /** Returns how many there were. */
  forget(): number;
}

export interface VectorMemoryTerms {
  /** sha256 of a text. */
  readonly digestOf: (bytes: Uint8Array) => string;
  /** The one used longest ago goes first. */
  readonly entriesMax: number;
}

export function createVectorMemory({ digestOf, entriesMax }: VectorMemoryTerms): VectorMemory {
  // In the order of use.
  const vectors = new Map<string, Float32Array>();
  const encoder = new TextEncoder();
  const known = new WeakMap<TextEmbedder, TextEmbedder>();
  let hits = 0;
  let misses = 0;
  let forgotten = 0;

  const use = (key: string, vector: Float32Array): void => {
    vectors.delete(key);
    vectors.set(key, vector);
    const [oldest] = vectors.keys();
    if (vectors.size > entriesMax && oldest !== undefined) vectors.delete(oldest);
  };

  const embed = async (
    { digest, dimensions, embed: make }: TextEmbedder,
    texts: readonly string[],
    leftMs: number | undefined,
  ): Promise<Result<Float32Array<ArrayBuffer>>> => {
    const before = forgotten;
    const keys = texts.map((text) => `${digest} ${digestOf(encoder.encode(text))}`);
    const found = new Map(keys.map((key) => [key, vectors.get(key)]));
    const missing = [...new Map(keys.map((key, i) => [key, texts[i] as string]))].filter(
      ([key]) => found.get(key) === undefined,
    );
    const wanted = missing.map(([, text]) => text);
    const made = wanted.length === 0 ? ok(new Float32Array(0)) : await make(wanted, leftMs);
    if (!made.ok) return made;
    for (const [i, [key]] of missing.entries())
      found.set(key, made.value.slice(i * dimensions, (i + 1) * dimensions));
    misses += missing.length;
    hits += texts.length - missing.length;
    const all = new Float32Array(texts.length * dimensions);
    for (const [i, key] of keys.entries()) {
      const vector = found.get(key) as Float32Array;
      all.set(vector, i * dimensions);
      // What had to be forgotten meanwhile is not remembered.
      if (before === forgotten) use(key, vector);
    }
    return ok(all);
  };

  return {
    remembering(embedder) {
      const there = known.get(embedder);
      if (there !== undefined) return there;
      const made: TextEmbedder = {
        ...embedder,
        embed: (texts, leftMs) => embed(embedder, texts, leftMs),
      };
      known.set(embedder, made);
      return made;
    },
    figures: () => ({ entries: vectors.size, entriesMax, hits, misses }),
    forget() {
      const { size } = vectors;
      vectors.clear();
      forgotten += 1;
      return size;
    },
  };
}
