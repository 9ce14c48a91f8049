// A second look at what was found best, by something slower that reads question and passage more closely. It has so long:
// what it did not come to keeps its place.

import { type Clock, ok, type Result } from '@skerry/shared';
import { fuseRanks } from './fuse-ranks.ts';
import type { Passage } from './passage.ts';
import type { TextEmbedder } from './text-embedder.ts';

/** How near a text is to the question: higher is nearer, and comparable among the texts of one question alone. */
export type ScoreText = (text: string) => Promise<Result<number>>;

export interface Reranker {
  readonly name: string;
  /** Of all that makes its scores. */
  readonly digest: string;
  begin(question: string): Promise<Result<ScoreText>>;
}

/** What was found, and how many of it were looked at again. */
export interface Reranked<F> {
  readonly found: readonly F[];
  readonly reranked: number;
  /** Why it were not all. */
  readonly reason?: string;
}

/** Looked at again; what ranks lower is hardly among the best ten. */
export const rerankedMax = 20;

export async function rerank<F extends { readonly passage: Passage; readonly score: number }>(
  reranker: Reranker,
  question: string,
  found: readonly F[],
  { leftMs, clock }: { readonly leftMs: number; readonly clock: Clock },
): Promise<Reranked<F>> {
  const inTime = createTimeLimit(clock, leftMs);
  const begun = await inTime(reranker.begin(question));
  const scores: number[] = [];
  let reason = begun === undefined ? `${leftMs} ms were over` : reasonOf(begun);
  for (const { passage } of begun?.ok ? found.slice(0, rerankedMax) : []) {
    const score = await inTime((begun as { value: ScoreText }).value(passage.text));
    reason = score === undefined ? `${leftMs} ms were over` : reasonOf(score);
    if (score === undefined || !score.ok) break;
    scores.push(score.value);
  }
  inTime.done();
  const said = reason === undefined ? {} : { reason };
  return { found: reorder(found, scores), reranked: scores.length, ...said };
}

const reasonOf = (result: Result<unknown>): string | undefined =>
  result.ok ? undefined : result.error.message;

/** What it waits for is undefined once the time is over. */
function createTimeLimit(clock: Clock, leftMs: number) {
  let isOver = false;
  let finish = (): void => {};
  const over = new Promise<undefined>((resolve) => {
    finish = () => resolve(undefined);
  });
  const timer = clock.after(leftMs, () => {
    isOver = true;
    finish();
  });
  const wait = <T>(what: Promise<T>): Promise<T | undefined> =>
    isOver ? over : Promise.race([what, over]);
  return Object.assign(wait, { done: () => timer.cancel() });
}

/** The first by both rankings, each alike; by trust the second is weighed as the first was. */
function reorder<F extends { readonly passage: Passage; readonly score: number }>(
  found: readonly F[],
  scores: readonly number[],
): readonly F[] {
  const places = scores.map((score, id) => ({ id, score }));
  const again = places.toSorted((a, b) => b.score - a.score);
  const ranked = fuseRanks(
    [
      { ranked: places, weight: 1 },
      { ranked: again, weight: 1 },
    ],
    places.length,
  );
  const weighed = ranked
    .map(({ id, score }) => ({ id, score: score * (found[id] as F).passage.trust }))
    .toSorted((a, b) => b.score - a.score || a.id - b.id);
  // The ranking's own scores, so that what comes after is below.
  const best = weighed.map(({ id }, i) => ({ ...(found[id] as F), score: (found[i] as F).score }));
  return [...best, ...found.slice(scores.length)];
}

/** By the cosines of a larger embedder's vectors. */
export const rerankByEmbedder = (
  embedder: Pick<TextEmbedder, 'embed' | 'digest'> & { readonly name: string },
): Reranker => ({
  name: embedder.name,
  digest: embedder.digest,
  async begin(question) {
    const asked = await embedder.embed([question]);
    if (!asked.ok) return asked;
    return ok(async (text) => {
      const embedded = await embedder.embed([text]);
      if (!embedded.ok) return embedded;
      return ok(asked.value.reduce((sum, value, d) => sum + value * (embedded.value[d] ?? 0), 0));
    });
  },
});
