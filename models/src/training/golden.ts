import type { Manifest } from '../bundle/manifest.ts';
import { predict } from '../confidence.ts';
import { type EdgeRule, type ExitOutputs, isAnswered, row } from './measure.ts';
import type { LabelledImages } from './mnist.ts';

/** Inputs of each kind: answered at the edge, escalated. */
const goldenOfEach = 2;
/** Covers another rounding of the cut's bytes on other hardware; the logits themselves reach 20. */
const tolerance = 0.05;

/** The first images that the edge answers, and the first that it escalates, among those that are answered rightly. */
export function chooseGolden(
  images: LabelledImages,
  { edgeLogits, cloudLogits }: ExitOutputs,
  rule: EdgeRule,
): Manifest['golden'] {
  const answered: number[] = [];
  const escalated: number[] = [];
  for (let i = 0; i < images.count; i++) {
    const edge = predict(row(edgeLogits, i), rule.temperature);
    const atEdge = isAnswered(edge.confidence, rule);
    const { index } = atEdge ? edge : predict(row(cloudLogits, i));
    if (index === images.labels[i]) (atEdge ? answered : escalated).push(i);
  }
  const size = images.height * images.width;
  return [...answered.slice(0, goldenOfEach), ...escalated.slice(0, goldenOfEach)].map((i) => ({
    input: [...images.pixels.subarray(i * size, (i + 1) * size)],
    label: images.labels[i] as number,
    logits: { 1: rounded(row(edgeLogits, i)), 2: rounded(row(cloudLogits, i)) },
    tolerance,
  }));
}

const rounded = (logits: ArrayLike<number>): number[] =>
  Array.from(logits, (logit) => Number(logit.toFixed(4)));
