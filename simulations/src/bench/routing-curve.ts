// How well a router trades strong calls for quality: RouteLLM's figures (arXiv 2406.18665, §3), of ten equal parts.

import { assert } from '@skerry/shared';

export interface RoutedQuestion {
  readonly weakRight: boolean;
  readonly strongRight: boolean;
  /** The higher, the sooner the strong model is asked. */
  readonly score: number;
}

/** Accuracies where 0, ⅒, … 1 of the questions go to the strong model. */
export type RoutingCurve = readonly number[];

const parts = 10;

export function routingCurve(questions: readonly RoutedQuestion[]): RoutingCurve {
  const ranked = questions.toSorted((a, b) => b.score - a.score);
  return Array.from({ length: parts + 1 }, (_, part) => {
    const strong = Math.round((part / parts) * ranked.length);
    const right = ranked.filter(({ weakRight, strongRight }, i) =>
      i < strong ? strongRight : weakRight,
    );
    return right.length / ranked.length;
  });
}

/** The best there is: strong calls go where only the strong model is right, and further ones cost nothing. */
export function oracleCurve(questions: readonly RoutedQuestion[]): RoutingCurve {
  const weak = accuracyOf(questions, 'weakRight');
  const gained = questions.filter((q) => q.strongRight && !q.weakRight).length / questions.length;
  return Array.from({ length: parts + 1 }, (_, part) => weak + Math.min(part / parts, gained));
}

export const accuracyOf = (
  questions: readonly RoutedQuestion[],
  which: 'weakRight' | 'strongRight',
): number => questions.filter((question) => question[which]).length / questions.length;

export interface Ends {
  readonly weak: number;
  readonly strong: number;
}

/** Average performance gap recovered: (AUC − AUC of weak) / (AUC of strong − AUC of weak), by trapezoids. */
export function averageGapRecovered(curve: RoutingCurve, { weak, strong }: Ends): number {
  let area = 0;
  for (let part = 1; part <= parts; part++)
    area += ((curve[part - 1] as number) + (curve[part] as number)) / 2 / parts;
  return (area - weak) / (strong - weak);
}

/** Call–performance threshold: the least share of strong calls that recovers `share` of the gap, between points linearly. */
export function callsToRecover(share: number, curve: RoutingCurve, { weak, strong }: Ends): number {
  const wanted = weak + share * (strong - weak);
  const after = curve.findIndex((accuracy) => accuracy >= wanted);
  assert(after >= 0, 'the last point is the strong model’s own');
  if (after === 0) return 0;
  const [low, high] = [curve[after - 1] as number, curve[after] as number];
  return (after - 1 + (wanted - low) / (high - low)) / parts;
}
