// What compression of updates costs in rounds and saves in bytes: IID, one pass, 100 rounds.

import type { Compression } from '@skerry/sync-protocol/learn';
import { figureOf, figures, type Line, type Section } from './section.ts';
import { evenly, onePass, smallDigits } from './small-digits.ts';
import type { Trial } from './trial.ts';

const topK = (share: number, errorFeedback: boolean): Compression => ({
  kind: 'top-k',
  share,
  errorFeedback,
});
const quantize = (bits: 8 | 4 | 2): Compression => ({ kind: 'quantize', bits });

const compressions = {
  float32: { kind: 'none' },
  '8 bits': quantize(8),
  '4 bits': quantize(4),
  '2 bits': quantize(2),
  'top 10 %': topK(0.1, false),
  'top 10 % + feedback': topK(0.1, true),
  'top 1 %': topK(0.01, false),
  'top 1 % + feedback': topK(0.01, true),
} as const satisfies Record<string, Compression>;
type Name = keyof typeof compressions;

const target = 0.93;
const trialOf = (name: Name): Trial => ({
  ...smallDigits,
  name: `compression ${name}`,
  dealt: evenly,
  rounds: 100,
  evaluateEvery: 2,
  local: onePass,
  compression: compressions[name],
});
const names = Object.keys(compressions) as Name[];

const toTarget: Record<Name, string> = {
  float32: '53 50 49',
  '8 bits': '51',
  '4 bits': '54',
  '2 bits': '57 46 48',
  'top 10 %': '72',
  'top 10 % + feedback': '66',
  'top 1 %': 'never',
  'top 1 % + feedback': 'never',
};
const best: Partial<Record<Name, string>> = {
  float32: '.943',
  '2 bits': '.943',
  'top 1 %': '.911 .910 .910',
  'top 1 % + feedback': '.925 .926 .926',
};
const linesOf = (name: Name): Line[] => {
  const { name: trial } = trialOf(name);
  return [
    {
      what: `${name}: rounds to 93 %`,
      trial,
      figure: figures.roundsTo(target),
      reference: toTarget[name],
    },
    { what: `${name}: best of 100`, trial, figure: figures.best, reference: best[name] ?? '' },
    {
      what: `${name}: MB up in 100 rounds`,
      trial,
      figure: figures.megabytes,
      reference: name === 'float32' ? '797' : name === '2 bits' ? '50' : '',
    },
  ];
};

export const compressionSection: Section = {
  about: 'quantised and sparse updates, with and without error feedback; about 3 min a seed',
  trials: names.map(trialOf),
  lines: names.flatMap(linesOf),
  bars: [
    {
      claim: '2 bits reach 93 % within 10 rounds more than float32',
      holds(of) {
        const rounds = (name: Name) => figureOf(figures.roundsTo(target), of(trialOf(name).name));
        return rounds('2 bits') <= rounds('float32') + 10;
      },
    },
    {
      claim: '2 bits are at most a fifteenth of float32’s bytes',
      holds(of) {
        const bytes = (name: Name) => figureOf(figures.megabytes, of(trialOf(name).name));
        return bytes('2 bits') * 15 <= bytes('float32');
      },
    },
    {
      claim: 'the top 1 % with error feedback is a point better than without',
      holds(of) {
        const accuracy = (name: Name) => figureOf(figures.best, of(trialOf(name).name));
        return accuracy('top 1 % + feedback') >= accuracy('top 1 %') + 0.01;
      },
    },
  ],
};
