// Quantiles of what inputs measure, from how many are in each bin: as if they lay evenly within it. What lay beyond the bins is
// in the first or the last, and cannot be told from what was there.

import type { Question } from '@skerry/sync-protocol/learn';

const told = { tenth: 0.1, median: 0.5, ninetieth: 0.9 } as const;

/** `counts` by bin; `undefined` of labels, and of no examples. */
export function quantilesOf(
  question: Question,
  counts: readonly number[],
): Readonly<Record<string, number>> | undefined {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (question.kind === 'labels' || total === 0) return undefined;
  const { from, to } = question;
  const width = (to - from) / counts.length;
  const at = (share: number): number => {
    let before = 0;
    for (const [bin, count] of counts.entries()) {
      if (count > 0 && before + count >= share * total)
        return from + width * (bin + (share * total - before) / count);
      before += count;
    }
    return to;
  };
  return Object.fromEntries(
    Object.entries(told).map(([name, share]) => [name, Number(at(share).toPrecision(4))]),
  );
}
