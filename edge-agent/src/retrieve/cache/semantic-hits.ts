// Questions that are another in other words. Off unless it is configured: the words of meaning must be the same, the
// vectors near, and of what is served so a share is computed all the same. What is found out so is kept, and turns this
// off for good where it errs more often than it may: until the terms are others.

import type { Log, Random } from '@skerry/shared';
import type { TextEmbedder } from '../text-embedder.ts';
import type { AnswerEntry, AnswerStore, CachedAnswer, JudgedStore } from './answer-store.ts';
import { type Described, type Digest, pushedScope } from './describe-question.ts';
import { estimateFalseHits, type FalseHits } from './false-hits.ts';
import { questionFormVersion } from './question-form.ts';
import { saysTheSame } from './says-the-same.ts';

export interface SemanticTerms {
  /** Cosine of two questions from which they may be look-alikes. */
  readonly similarityMin: number;
  /** Of the look-alikes, those that are computed all the same. */
  readonly judgedShare: number;
  /** Of the look-alikes, those that may be answered wrongly. */
  readonly wrongShareMax: number;
}

export interface SemanticHit {
  readonly entry: AnswerEntry;
  readonly similarity: number;
  /** It is to be computed all the same. */
  readonly judged: boolean;
}

export interface SemanticHits {
  find(
    of: Described,
    stands: (entry: AnswerEntry) => Promise<boolean>,
  ): Promise<SemanticHit | undefined>;
  judge(served: CachedAnswer, computed: CachedAnswer): void;
  vectorOf(question: string): Promise<Float32Array | undefined>;
  figures(): SemanticTerms & FalseHits;
}

export interface SemanticPorts {
  /** Read at each call. */
  readonly embedder: () => TextEmbedder | undefined;
  readonly store: Pick<AnswerStore, 'alike'>;
  readonly judged: JudgedStore;
  readonly digest: Digest;
  readonly random: Random;
  readonly log: Log;
}

/** For one question's vector. */
const questionMsMax = 2_000;

export function createSemanticHits(terms: SemanticTerms, ports: SemanticPorts): SemanticHits {
  const { embedder, store, judged, digest, random, log } = ports;
  const { similarityMin, judgedShare, wrongShareMax } = terms;
  const named = (): string =>
    digest('semantic', questionFormVersion, embedder()?.digest ?? null, similarityMin);
  let known: FalseHits | undefined;

  const falseHits = (): FalseHits => {
    const read = judged.read(named());
    const hits = read.ok ? read.value : { hits: 0, judged: 0, wrong: 0 };
    if (known?.judged === hits.judged && known.wrong === hits.wrong) return { ...known, ...hits };
    known = estimateFalseHits(hits, wrongShareMax);
    return known;
  };

  const vectorOf = async (question: string): Promise<Float32Array | undefined> => {
    const embedded = await embedder()?.embed([question], questionMsMax);
    return embedded?.ok ? embedded.value : undefined;
  };

  return {
    vectorOf,
    async find(of, stands) {
      if (falseHits().disabled !== undefined) return undefined;
      const scopes = [of.scope, ...of.collections.map((name) => pushedScope(digest, name))];
      const alike = scopes.flatMap((scope) => {
        const found = store.alike(scope, of.form);
        return found.ok ? found.value : [];
      });
      const vector = alike.length === 0 ? undefined : await vectorOf(of.question);
      if (vector === undefined) return undefined;
      let best: { readonly entry: AnswerEntry; readonly similarity: number } | undefined;
      for (const entry of alike) {
        const other = entry.vector ?? (await vectorOf(entry.question));
        const similarity = other === undefined ? 0 : cosine(vector, other);
        if (similarity < similarityMin || similarity <= (best?.similarity ?? 0)) continue;
        if (await stands(entry)) best = { entry, similarity };
      }
      if (best === undefined) return undefined;
      judged.add(named(), { hits: 1, judged: 0, wrong: 0 });
      return { ...best, judged: random.next() < judgedShare };
    },
    judge(served, computed) {
      const wrong = saysTheSame(served, computed) ? 0 : 1;
      judged.add(named(), { hits: 0, judged: 1, wrong });
      const { disabled } = falseHits();
      if (wrong === 1 && disabled !== undefined)
        log.warn({}, `look-alikes are not answered from the cache any more: ${disabled}`);
    },
    figures: () => ({ ...terms, ...falseHits() }),
  };
}

/** Of vectors of length 1. */
function cosine(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return 0;
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}
