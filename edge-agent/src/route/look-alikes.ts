// Questions that look like ones asked before. Within a cooldown the same sight is not asked again; and where the cache is
// on, the cloud's answer to one question serves those that look like it, until it expires, its variant goes, or an audit
// contradicts it. How alike two are is the correlation of their cut tensors, which cost nothing to have.

import { elementsOf, type Tensor } from '@skerry/models';
import type { Answer } from '@skerry/sync-protocol';

type Answered = Extract<Answer['outcome'], { kind: 'answered' }>;

/** A better answer that the cloud has given, and for which sight. */
export interface Learned {
  /** The question that it answered. */
  readonly requestId: string;
  readonly variant: string;
  readonly embedding: Float32Array;
  readonly answer: Answered;
  readonly learnedMs: number;
  readonly expiresMs: number;
}

/** Durable; `put` is called inside the transaction that applies an answer. */
export interface LearnedStore {
  load(): readonly Learned[];
  put(learned: Learned): void;
  remove(requestId: string): void;
}

export interface LookAlikeTerms {
  readonly cache: 'on' | 'off';
  /** Correlation from which two sights are alike. */
  readonly similarityMin: number;
  readonly ttlMs: number;
  readonly entriesMax: number;
  /** 0: each question is asked. */
  readonly cooldownMs: number;
}

export type Recall =
  | { readonly kind: 'learned'; readonly learned: Learned; readonly similarity: number }
  /** Asked a moment ago: `requestId` is what its answer comes by. */
  | { readonly kind: 'asked'; readonly requestId: string };

export interface LookAlikes {
  /** False: nothing is ever alike, and no embedding is needed. */
  readonly enabled: boolean;
  recall(variant: string, embedding: Float32Array, nowMs: number): Recall | undefined;
  /** The question goes to the cloud. */
  asked(requestId: string, variant: string, embedding: Float32Array, nowMs: number): void;
  /** Inside the transaction that applies the answer. */
  answered(requestId: string, outcome: Answer['outcome'], nowMs: number): void;
  /** The cloud would say something else now. */
  contradict(requestId: string): void;
  size(): number;
}

const dimensionsMax = 256;
/** Questions under way, or within their cooldown. */
const askedMax = 256;

/** Of unit length and mean zero, so that a product is a correlation; neighbours in a large tensor become their mean. */
export function embed(cut: Pick<Tensor, 'datatype' | 'data'>): Float32Array {
  const data = elementsOf(cut);
  const width = Math.ceil(data.length / dimensionsMax);
  const pooled = new Float32Array(Math.ceil(data.length / width));
  for (let i = 0; i < data.length; i++) {
    const at = Math.floor(i / width);
    pooled[at] = (pooled[at] as number) + (data[i] as number);
  }
  const mean = pooled.reduce((sum, value) => sum + value, 0) / pooled.length;
  const centred = pooled.map((value) => value - mean);
  const norm = Math.hypot(...centred);
  // What is the same everywhere is like nothing.
  return norm > 0 ? centred.map((value) => value / norm) : new Float32Array(pooled.length);
}

export function createLookAlikes(
  terms: LookAlikeTerms,
  store: LearnedStore,
  variants: ReadonlySet<string>,
  nowMs: number,
): LookAlikes {
  const { cache, similarityMin, ttlMs, entriesMax, cooldownMs } = terms;
  const learned = new Map<string, Learned>();
  const asked = new Map<string, Pick<Learned, 'variant' | 'embedding'> & { atMs: number }>();

  const forget = (requestId: string): void => {
    learned.delete(requestId);
    store.remove(requestId);
  };
  const learn = (entry: Learned): void => {
    learned.set(entry.requestId, entry);
    const [oldest] = learned.keys();
    if (learned.size > entriesMax && oldest !== undefined) forget(oldest);
  };
  if (cache === 'on')
    for (const entry of store.load())
      if (variants.has(entry.variant) && entry.expiresMs > nowMs) learn(entry);
      else store.remove(entry.requestId);

  const closest = <T extends Pick<Learned, 'variant' | 'embedding'>>(
    entries: Iterable<T>,
    variant: string,
    embedding: Float32Array,
  ): { readonly entry: T; readonly similarity: number } | undefined => {
    let found: { entry: T; similarity: number } | undefined;
    for (const entry of entries) {
      if (entry.variant !== variant) continue;
      const similarity = dot(entry.embedding, embedding);
      if (similarity >= (found?.similarity ?? similarityMin)) found = { entry, similarity };
    }
    return found;
  };

  return {
    enabled: cache === 'on' || cooldownMs > 0,
    recall(variant, embedding, now) {
      const live = [...learned.values()].filter(({ expiresMs }) => expiresMs > now);
      const hit = closest(live, variant, embedding);
      // The oldest goes first, and one at a time: each is a write.
      const [oldest] = learned.values();
      if (oldest !== undefined && oldest.expiresMs <= now) forget(oldest.requestId);
      if (hit !== undefined)
        return { kind: 'learned', learned: hit.entry, similarity: hit.similarity };
      const cooling = [...asked]
        .filter(([, { atMs }]) => now - atMs >= 0 && now - atMs < cooldownMs)
        .map(([requestId, entry]) => ({ requestId, ...entry }));
      const twin = closest(cooling, variant, embedding)?.entry;
      return twin && { kind: 'asked', requestId: twin.requestId };
    },
    asked(requestId, variant, embedding, atMs) {
      const [oldest] = asked.keys();
      if (asked.size >= askedMax && oldest !== undefined) asked.delete(oldest);
      asked.set(requestId, { variant, embedding, atMs });
    },
    answered(requestId, outcome, now) {
      const question = asked.get(requestId);
      if (question === undefined) return;
      if (now - question.atMs >= cooldownMs) asked.delete(requestId);
      if (cache === 'off' || outcome.kind !== 'answered') return;
      const { variant, embedding } = question;
      const entry: Learned = {
        requestId,
        variant,
        embedding,
        answer: outcome,
        learnedMs: now,
        expiresMs: now + ttlMs,
      };
      store.put(entry);
      learn(entry);
    },
    contradict: forget,
    size: () => learned.size,
  };
}

function dot(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return 0;
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}
