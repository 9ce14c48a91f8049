// How the examples of one data set are dealt to clients: which of them each one holds. All are pure functions of their seed.

import { assert, type Random, shuffle } from '@skerry/shared';

/** By client, the indices of its examples. */
export type Partition = readonly Uint32Array[];

const upTo = (count: number): Uint32Array => Uint32Array.from({ length: count }, (_, i) => i);

/** Shuffled, then equal parts; what is left over when they do not come out even belongs to nobody. */
export function partitionEvenly(count: number, clients: number, random: Random): Partition {
  assert(clients >= 1 && clients <= count, `${count} examples for ${clients} clients`);
  const order = shuffle(upTo(count), random);
  const each = Math.floor(count / clients);
  return Array.from({ length: clients }, (_, c) => order.slice(c * each, (c + 1) * each));
}

/**
 * McMahan et al. (arXiv 1602.05629, §3): sorted by label, cut into equal shards, and each client is given `shardsEach` of
 * them: with two most clients hold two labels.
 */
export function partitionByShards(
  labels: ArrayLike<number>,
  clients: number,
  shardsEach: number,
  random: Random,
): Partition {
  const shards = clients * shardsEach;
  const size = Math.floor(labels.length / shards);
  assert(size >= 1, `${labels.length} examples for ${shards} shards`);
  // The order within a label is drawn, so that a seed does not only say who holds which shard.
  const byLabel = shuffle(upTo(labels.length), random).sort(
    (a, b) => (labels[a] as number) - (labels[b] as number),
  );
  const dealt = shuffle(upTo(shards), random);
  return Array.from({ length: clients }, (_, c) => {
    const own = new Uint32Array(shardsEach * size);
    for (let s = 0; s < shardsEach; s++) {
      const shard = dealt[c * shardsEach + s] as number;
      own.set(byLabel.subarray(shard * size, (shard + 1) * size), s * size);
    }
    return own;
  });
}

/** Draws until each client has that many; of so many draws none did. */
const dirichletDrawsMax = 100;

/**
 * Hsu et al. (arXiv 1909.06335), drawn label by label: how the examples of each label are shared out is Dirichlet(alpha), so
 * that clients differ in their labels and in their number. Every example belongs to somebody, and each client has
 * `examplesMin`.
 */
export function partitionByDirichlet(
  labels: ArrayLike<number>,
  clients: number,
  { alpha, examplesMin }: { readonly alpha: number; readonly examplesMin: number },
  random: Random,
): Partition {
  assert(examplesMin * clients <= labels.length, 'fewer examples than every client must have');
  const byLabel: number[][] = [];
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i] as number;
    byLabel[label] ??= [];
    byLabel[label].push(i);
  }
  for (let draw = 0; draw < dirichletDrawsMax; draw++) {
    const own = Array.from({ length: clients }, (): number[] => []);
    for (const indices of byLabel) {
      const order = shuffle(Uint32Array.from(indices ?? []), random);
      for (const [c, part] of cut(order, drawDirichlet(clients, alpha, random)).entries())
        own[c]?.push(...part);
    }
    if (own.every(({ length }) => length >= examplesMin))
      return own.map((indices) => Uint32Array.from(indices));
  }
  assert(false, `no draw in ${dirichletDrawsMax} gave each client ${examplesMin} examples`);
}

/** Alike in their labels, unlike in their number: shares are Dirichlet(alpha), and each has `examplesMin` beforehand. */
export function partitionBySize(
  count: number,
  clients: number,
  { alpha, examplesMin }: { readonly alpha: number; readonly examplesMin: number },
  random: Random,
): Partition {
  assert(examplesMin * clients <= count, 'fewer examples than every client must have');
  const order = shuffle(upTo(count), random);
  const rest = order.subarray(examplesMin * clients);
  return cut(rest, drawDirichlet(clients, alpha, random)).map((more, c) =>
    Uint32Array.of(...order.subarray(c * examplesMin, (c + 1) * examplesMin), ...more),
  );
}

/** Into parts of these shares; the bounds are rounded, so that nothing is lost or given twice. */
function cut(items: Uint32Array, shares: readonly number[]): Uint32Array[] {
  let sum = 0;
  let from = 0;
  return shares.map((share, i) => {
    sum += share;
    const until = i === shares.length - 1 ? items.length : Math.round(sum * items.length);
    const part = items.subarray(from, until);
    from = until;
    return part;
  });
}

/** Gammas over their sum. */
function drawDirichlet(size: number, alpha: number, random: Random): number[] {
  const gammas = Array.from({ length: size }, () => drawGamma(alpha, random));
  const sum = gammas.reduce((total, gamma) => total + gamma, 0);
  return gammas.map((gamma) => gamma / sum);
}

/** Marsaglia & Tsang (ACM TOMS 26, 2000), with their step for shapes under 1. */
function drawGamma(shape: number, random: Random): number {
  if (shape < 1) return drawGamma(shape + 1, random) * (1 - random.next()) ** (1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = random.gaussian();
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random.next()) < x * x * 0.5 + d - d * v + d * Math.log(v))
      return d * v;
  }
}
