import type { Manifest } from '../bundle/manifest.ts';
import type { ExitRule } from '../calibration/exit-rule.ts';
import { logitsAt, type Observed, wholeAt } from '../calibration/observed.ts';
import type { LabelledImages } from './labelled-images.ts';
import { answersAt } from './measure.ts';

/** Inputs of each kind: answered at the edge, escalated. */
const goldenOfEach = 2;
/** Covers another rounding of the cut's bytes on other hardware; the logits themselves reach 20. */
const tolerance = 0.05;

/** The first images that the edge answers, and the first that it escalates, among those that are answered rightly. */
export function chooseGolden(
  images: LabelledImages,
  edge: Observed,
  rule: ExitRule,
): Manifest['golden'] {
  const answered: number[] = [];
  const escalated: number[] = [];
  for (let i = 0; i < images.count; i++) {
    const { first, whole, trusted } = answersAt(edge, rule, i);
    if ((trusted ? first : whole) === images.labels[i]) (trusted ? answered : escalated).push(i);
  }
  const size = images.height * images.width;
  return [...answered.slice(0, goldenOfEach), ...escalated.slice(0, goldenOfEach)].map((i) => ({
    input: [...images.pixels.subarray(i * size, (i + 1) * size)],
    label: images.labels[i] as number,
    logits: { 1: rounded(logitsAt(edge, i)), 2: rounded(wholeAt(edge, i) ?? []) },
    tolerance,
  }));
}

const rounded = (logits: ArrayLike<number>): number[] =>
  Array.from(logits, (logit) => Number(logit.toFixed(4)));
