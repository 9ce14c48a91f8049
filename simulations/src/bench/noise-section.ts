// What noise costs that is drawn exactly, for the vectors of the two networks that learning is measured with.

import type { Noise } from './measurements/noise.ts';
import { inRounds } from './rounds.ts';
import type { Bench } from './sections.ts';
import { median, medianRatio } from './statistics.ts';
import { number, ratio, renderTable } from './table.ts';

/** z = 1 on the grid of clip/2²⁴. */
const sigma = 2 ** 24;
const samples = {
  'discrete Gaussian': 1_000_000,
  'in rationals': 5_000,
  'Box–Muller': 1_000_000,
} as const;
type Kind = keyof typeof samples;
const kinds = Object.keys(samples) as Kind[];
const vectors = { '2NN, 199 210': 199_210, 'CNN, 1 663 370': 1_663_370 };

export async function noiseSection({ measure, effort, onCase }: Bench): Promise<string> {
  const measured = await inRounds<Record<Kind, Noise>>(
    effort.rounds,
    Object.fromEntries(
      kinds.map((kind) => [kind, () => measure('noise', { kind, sigma, samples: samples[kind] })]),
    ) as Record<Kind, () => Promise<Noise>>,
    (name) => onCase(`noise: ${name}`),
  );
  const nsOf = (kind: Kind): readonly number[] => measured[kind].map((each) => each.nsPerSample);
  const rows = kinds.map((kind) => {
    const ns = median(nsOf(kind));
    return [
      kind,
      number(ns),
      ...Object.values(vectors).map((size) => `${number((ns * size) / 1e6)} ms`),
      ratio(medianRatio(nsOf(kind), nsOf('discrete Gaussian'))),
    ];
  });
  return [
    'Noise of a round: exact as it is drawn here, by the published algorithm in rationals, and in floating point, inexact',
    renderTable(['', 'ns a value', ...Object.keys(vectors), 'of the first'], rows),
  ].join('\n');
}
