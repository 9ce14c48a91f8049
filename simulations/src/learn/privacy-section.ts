// What central differential privacy costs a small fleet: each client is in a round with a chance of a fifth, sixty rounds.

import { type Bar, type Figure, figureOf, figures, type Line, type Section } from './section.ts';
import { evenly, onePass, smallDigits } from './small-digits.ts';
import type { Trial, TrialPrivacy } from './trial.ts';

const samplingRate = 0.2;
const rounds = 60;
const delta = 1e-3;
/** Sampled and clipped, but not private: as good as no noise. */
const noNoise = 1e-6;

const settings = {
  'C 1, no noise': { clip: { kind: 'fixed', norm: 1 }, noiseMultiplier: noNoise },
  'C 0.5, z 0.5': { clip: { kind: 'fixed', norm: 0.5 }, noiseMultiplier: 0.5 },
  'C 0.3, z 1': { clip: { kind: 'fixed', norm: 0.3 }, noiseMultiplier: 1 },
  'C 0.3, no noise': { clip: { kind: 'fixed', norm: 0.3 }, noiseMultiplier: noNoise },
  'C from 0.1 to the median, no noise': {
    clip: { kind: 'adaptive', initial: 0.1, countNoise: 2 },
    noiseMultiplier: noNoise,
  },
  // Noise makes updates longer, they make the clip larger, and that makes noise louder: no rule for so few clients.
  'C from 0.1 to the median, z 1': {
    clip: { kind: 'adaptive', initial: 0.1, countNoise: 2 },
    noiseMultiplier: 1,
  },
} as const satisfies Record<string, Pick<TrialPrivacy, 'clip' | 'noiseMultiplier'>>;
type Setting = keyof typeof settings;

const reference: Record<Setting, readonly [accuracy: string, epsilon: string]> = {
  'C 1, no noise': ['.935', ''],
  'C 0.5, z 0.5': ['.908', '74 at whole orders'],
  'C 0.3, z 1': ['.871', '9.51 at whole orders'],
  'C 0.3, no noise': ['', ''],
  'C from 0.1 to the median, no noise': ['', ''],
  'C from 0.1 to the median, z 1': ['', ''],
};

const trialOf = (setting: Setting): Trial => ({
  ...smallDigits,
  name: `privacy ${setting}`,
  dealt: evenly,
  perRound: samplingRate * smallDigits.clients,
  rounds,
  evaluateEvery: 5,
  local: onePass,
  privacy: { ...settings[setting], samplingRate, delta },
});

const epsilon: Figure = {
  of: ({ points }) => points.at(-1)?.epsilon,
  format: (value) => value.toFixed(2),
};
const names = Object.keys(settings) as Setting[];

const linesOf = (setting: Setting): Line[] => {
  const trial = trialOf(setting).name;
  const [accuracy, spent] = reference[setting];
  const isPrivate = settings[setting].noiseMultiplier > noNoise;
  return [
    { what: `${setting}: last 5 of ${rounds}`, trial, figure: figures.last5, reference: accuracy },
    ...(isPrivate
      ? [{ what: `${setting}: ε at δ ${delta}`, trial, figure: epsilon, reference: spent }]
      : []),
  ];
};

const accuracyAbove = (setting: Setting, least: number): Bar => ({
  claim: `${setting}: at least ${(100 * least).toFixed(0)} %`,
  holds: (of) => figureOf(figures.last5, of(trialOf(setting).name)) >= least,
});

export const privacySection: Section = {
  about: 'FedAvg with central differential privacy, q 0.2, 60 rounds; about 4 min a seed',
  trials: names.map(trialOf),
  lines: names.flatMap(linesOf),
  bars: [
    accuracyAbove('C 1, no noise', 0.92),
    accuracyAbove('C from 0.1 to the median, no noise', 0.92),
    accuracyAbove('C 0.5, z 0.5', 0.89),
    accuracyAbove('C 0.3, z 1', 0.85),
    {
      claim: 'C 0.3, z 1: ε is at most 9.51',
      holds: (of) => figureOf(epsilon, of(trialOf('C 0.3, z 1').name)) <= 9.51,
    },
  ],
};
