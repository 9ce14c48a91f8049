// FedBuff (Nguyen et al., arXiv 2106.06639) against rounds that wait, by virtual time: IID, one pass, half-normal durations.

import { figureOf, figures, type Line, type Section } from './section.ts';
import { evenly, onePass, smallDigits } from './small-digits.ts';
import type { Trial } from './trial.ts';

const target = 0.93;
const shared = {
  ...smallDigits,
  dealt: evenly,
  rounds: 400,
  local: onePass,
  until: target,
} as const satisfies Partial<Trial>;

const buffered = (concurrency: number, bufferSize: number): Trial => ({
  ...shared,
  name: `FedBuff ${concurrency} at once, ${bufferSize} buffered`,
  strategy: { name: 'fedbuff', bufferSize },
  time: { kind: 'buffered', concurrency },
});
const rounds = (name: string, overSelection: number): Trial => ({
  ...shared,
  name,
  time: { kind: 'rounds', overSelection },
});

const trials = {
  sync: rounds('rounds of 10 in virtual time', 1),
  over: rounds('rounds of 10 of 13 in virtual time', 1.3),
  buff10: buffered(10, 5),
  buff20: buffered(20, 10),
};

const linesOf = (what: string, { name: trial }: Trial, time: string): Line[] => [
  { what: `${what}: virtual time to 93 %`, trial, figure: figures.timeTo(target), reference: time },
  { what: `${what}: updates to 93 %`, trial, figure: figures.updatesTo(target), reference: '' },
];

export const fedbuffSection: Section = {
  about: 'asynchronous aggregation against rounds, in virtual time; about 1 min a seed',
  trials: Object.values(trials),
  lines: [
    ...linesOf('rounds of 10', trials.sync, '101.9 101.0'),
    ...linesOf('rounds of the first 10 of 13', trials.over, '63.6 66.9'),
    ...linesOf('FedBuff, 10 at once, K = 5', trials.buff10, '37.2 41.6'),
    ...linesOf('FedBuff, 20 at once, K = 10', trials.buff20, '30.9 34.4'),
    {
      what: 'FedBuff, 10 at once, K = 5: mean staleness',
      trial: trials.buff10.name,
      figure: figures.staleness,
      reference: '1.8',
    },
  ],
  bars: [
    {
      claim: 'FedBuff (10 at once, K = 5) takes at most half of the virtual time of rounds of 10',
      holds(of) {
        const time = (trial: Trial) => figureOf(figures.timeTo(target), of(trial.name));
        return time(trials.buff10) * 2 <= time(trials.sync);
      },
    },
  ],
};
