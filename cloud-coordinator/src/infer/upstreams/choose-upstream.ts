// Which of several upstreams is asked next: pure. The lowest tier that has one free; within it by weight, or who has the
// least to do for its weight.

export interface Candidate {
  /** 0 is asked first; a higher one when no lower one is left. */
  readonly tier: number;
  readonly weight: number;
  /** Calls under way. */
  readonly underWay: number;
  /** Neither ejected nor refused by its breaker. */
  readonly available: boolean;
}

export type Balancing = 'weighted' | 'least-loaded';

/** @param chance from [0, 1) */
export function chooseUpstream<C extends Candidate>(
  candidates: readonly C[],
  balancing: Balancing,
  chance: number,
): C | undefined {
  const available = candidates.filter((candidate) => candidate.available);
  const lowest = Math.min(...available.map(({ tier }) => tier));
  const tier = available.filter((candidate) => candidate.tier === lowest);
  return balancing === 'weighted' ? byWeight(tier, chance) : leastLoaded(tier, chance);
}

function byWeight<C extends Candidate>(tier: readonly C[], chance: number): C | undefined {
  let left = chance * tier.reduce((sum, { weight }) => sum + weight, 0);
  for (const candidate of tier) {
    left -= candidate.weight;
    if (left < 0) return candidate;
  }
  return tier.at(-1);
}

/** Among equals by weight, so that the first of the list is not always the one. */
function leastLoaded<C extends Candidate>(tier: readonly C[], chance: number): C | undefined {
  const loadOf = ({ underWay, weight }: C): number => (underWay + 1) / weight;
  const least = Math.min(...tier.map(loadOf));
  return byWeight(
    tier.filter((candidate) => loadOf(candidate) === least),
    chance,
  );
}
