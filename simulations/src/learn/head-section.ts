// A head alone beside the whole graph, on the same shards: what it costs in accuracy and saves in bytes, where a model meets
// what it has not learned (digits 40° askew, two labels a client).

import { figureOf, figures, type Section } from './section.ts';
import { onePassOfShards, shards, smallDigits } from './small-digits.ts';
import type { Trial, TrialResult } from './trial.ts';

const rounds = 30;
const graphs = { '2nn': '2NN', digits: 'digits that ship' } as const;
const parts = { all: 'whole graph', head: 'head alone' } as const;
type Graph = keyof typeof graphs;
type Part = keyof typeof parts;

const trialOf = (graph: Graph, trains: Part): Trial => ({
  ...smallDigits,
  name: `askew ${graph} ${trains}`,
  data: { ...smallDigits.data, isAskew: true },
  network: { graph, trains },
  dealt: shards,
  rounds,
  evaluateEvery: 5,
  local: onePassOfShards,
});
const nameOf = (graph: Graph, part: Part): string => trialOf(graph, part).name;
const names = Object.keys(graphs) as Graph[];
const each = names.flatMap((graph) =>
  (Object.keys(parts) as Part[]).map((part) => ({ graph, part, trial: trialOf(graph, part) })),
);

export const headSection: Section = {
  about: `a head alone beside the whole graph, ${rounds} rounds on shards of digits askew; about 1 min a seed`,
  trials: each.map(({ trial }) => trial),
  lines: each.flatMap(({ graph, part, trial: { name: trial } }) => {
    const what = `${graphs[graph]}, ${parts[part]}`;
    return [
      { what: `${what}: before, askew`, trial, figure: figures.before, reference: '' },
      { what: `${what}: last 5 of ${rounds}`, trial, figure: figures.last5, reference: '' },
      {
        what: `${what}: KB up, a client and round`,
        trial,
        figure: figures.kilobytesEach,
        reference: '',
      },
    ];
  }),
  bars: [
    {
      claim: 'the head of a 2NN is a ninetieth of the bytes at most, and 20 points',
      holds(of) {
        const [head, whole] = [of(nameOf('2nn', 'head')), of(nameOf('2nn', 'all'))];
        const bytes = (result: TrialResult) => figureOf(figures.kilobytesEach, result);
        const gain = figureOf(figures.last5, head) - figureOf(figures.before, head);
        return bytes(head) * 90 <= bytes(whole) && gain >= 0.2;
      },
    },
    {
      claim: 'the head of the digits that ship comes within a point of their whole graph',
      holds(of) {
        const last = (part: Part) => figureOf(figures.last5, of(nameOf('digits', part)));
        return last('head') >= last('all') - 0.01;
      },
    },
  ],
};
