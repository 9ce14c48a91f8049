// Rules that bear clients who mean harm: 20 clients of 500 images, all in every round, four of them malicious.

import type { Behaviour } from './behaviour.ts';
import { figureOf, figures, type Line, type Section } from './section.ts';
import { evenly, onePass, smallDigits } from './small-digits.ts';
import type { Trial } from './trial.ts';

const clients = 20;
const malicious = 4;
const rules = {
  mean: { name: 'fedavg' },
  median: { name: 'median' },
  'trimmed mean': { name: 'trimmed-mean', trimShare: malicious / clients },
  Krum: { name: 'krum', byzantine: malicious },
  'Multi-Krum': { name: 'multi-krum', byzantine: malicious },
  Bulyan: { name: 'bulyan', byzantine: malicious },
  'geometric median': { name: 'geometric-median' },
  'centred clipping': { name: 'centred-clipping', radius: 1 },
  'median-norm clipping': { name: 'norm-clipping' },
} as const satisfies Record<string, Trial['strategy']>;
type Rule = keyof typeof rules;
const attacks = ['none', 'sign-flip', 'noise', 'label-flip'] as const;
type Attack = (typeof attacks)[number];

const reference: Partial<Record<Rule, readonly string[]>> = {
  mean: ['.947', '.098', '.739', '.938'],
  median: ['.946', '.934 .934 .935', '.944', '.941'],
  'trimmed mean': ['.946', '.931', '.945', '.941'],
  Krum: ['.874', '.877', '.877', '.877'],
  'Multi-Krum': ['.944', '.945 .947 .946', '.945', '.945'],
  'median-norm clipping': ['.946', '.930', '.941', '.941'],
};

const trialOf = (rule: Rule, attack: Attack): Trial => ({
  ...smallDigits,
  name: `byzantine ${rule} against ${attack}`,
  dealt: evenly,
  clients,
  perRound: clients,
  rounds: 25,
  evaluateEvery: 25,
  local: onePass,
  strategy: rules[rule],
  ...(attack === 'none'
    ? {}
    : { malicious: { count: malicious, behaviour: attack satisfies Behaviour } }),
});

const names = Object.keys(rules) as Rule[];
const linesOf = (rule: Rule): Line[] =>
  attacks.map((attack, i) => ({
    what: `${rule}, ${attack === 'none' ? 'no attack' : attack}: last 5 of 25`,
    trial: trialOf(rule, attack).name,
    figure: figures.last5,
    reference: reference[rule]?.[i] ?? '',
  }));

export const byzantineSection: Section = {
  about: 'nine rules against three attacks by 4 of 20 clients, 25 rounds; about 5 min a seed',
  trials: names.flatMap((rule) => attacks.map((attack) => trialOf(rule, attack))),
  lines: names.flatMap(linesOf),
  bars: [
    {
      claim: 'under −10× sign flip the mean is below 20 %, Multi-Krum at 93 % or more',
      holds(of) {
        const accuracy = (rule: Rule) =>
          figureOf(figures.last5, of(trialOf(rule, 'sign-flip').name));
        return accuracy('mean') < 0.2 && accuracy('Multi-Krum') >= 0.93;
      },
    },
  ],
};
