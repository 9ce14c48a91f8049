// One ranking of several: reciprocal rank fusion (Cormack, Clarke, Büttcher, SIGIR 2009), whose constant is 60 there.

export interface Ranked {
  readonly id: number;
  readonly score: number;
}

export interface Leg {
  readonly ranked: readonly Ranked[];
  readonly weight: number;
}

const rankConstant = 60;

/** Best first; of equals the lower id first. */
export function fuseRanks(legs: readonly Leg[], count: number): readonly Ranked[] {
  const scores = new Map<number, number>();
  for (const { ranked, weight } of legs)
    for (const [rank, { id }] of ranked.entries())
      scores.set(id, (scores.get(id) ?? 0) + weight / (rankConstant + rank + 1));
  return [...scores]
    .map(([id, score]) => ({ id, score }))
    .sort((a, b) => b.score - a.score || a.id - b.id)
    .slice(0, count);
}
