// Which of two bundles is better, when half of the devices (or another share) keep the incumbent at the same time: what
// moves both arms, the season or the link, moves no verdict. Each device's change from before to after is weighed by the
// arm that chance has given it (Horvitz and Thompson, 1952), so the mean is the candidate's effect whatever devices are
// like; its bounds hold at every look (anytime-bound.ts), so one may watch and stop at any time.
//
// Where the arms that are heard are not as many as were drawn (a sample-ratio mismatch), devices were lost on one side and
// nothing is concluded; that, too, is tested at every look (as Lindon and Malek do, NeurIPS 2022, by other bets).

import type { Health } from '@skerry/sync-protocol/update';
import { anytimeBounds, type Hits, type Seen, withinTrials } from './anytime-bound.ts';
import type { Member } from './member.ts';
import type { RolloutState } from './rollout-state.ts';

export interface Effect {
  readonly sign: 'failures' | 'escalations' | 'disagreements' | 'audits';
  readonly devices: number;
  /** By how much the candidate raises the share; less is better of each of these. */
  readonly estimate: number;
  readonly lower: number;
  readonly upper: number;
  readonly finding: 'better' | 'worse' | 'none-shown';
}

export interface ExperimentReport {
  readonly candidateDevices: number;
  readonly controlDevices: number;
  /** Shown at `mismatchDelta`: nothing else here is to be believed. */
  readonly mismatch: boolean;
  readonly effects: readonly Effect[];
}

/** Rarer than any effect's: a mismatch is a fault of the experiment. */
const mismatchDelta = 0.001;

const signs: readonly {
  readonly sign: Effect['sign'];
  readonly hitsOf: (health: Health) => Hits;
}[] = [
  { sign: 'failures', hitsOf: ({ failures, requests }) => ({ hits: failures, trials: requests }) },
  {
    sign: 'escalations',
    hitsOf: ({ escalated, requests }) => ({ hits: escalated, trials: requests }),
  },
  { sign: 'disagreements', hitsOf: ({ cloud }) => missesOf(cloud) },
  { sign: 'audits', hitsOf: ({ audit }) => missesOf(audit) },
];

const missesOf = ({ answers, agreed }: Health['audit']): Hits => ({
  hits: answers - agreed,
  trials: answers,
});

/** `undefined` where the rollout compares nothing. */
export function evaluateExperiment({ plan, members }: RolloutState): ExperimentReport | undefined {
  const { experiment } = plan.device;
  if (experiment === undefined) return undefined;
  const share = experiment.candidateShare;
  const heard = [...members.values()].filter(isHeard);
  const candidates = heard.filter(({ arm }) => arm !== 'control').length;
  const arms = anytimeBounds(
    [
      [1, candidates],
      [0, heard.length - candidates],
    ],
    mismatchDelta / 2,
  );
  // Two sides of each sign share the plan's delta.
  const delta = plan.gate.delta / (2 * signs.length);
  return {
    candidateDevices: candidates,
    controlDevices: heard.length - candidates,
    mismatch: share < arms.lower || share > arms.upper,
    effects: signs.map(({ sign, hitsOf }) => ({
      sign,
      ...effectOf(heard, hitsOf, share, delta),
    })),
  };
}

/** It has told how it was before and after. */
const isHeard = ({ progress, outcome, health, baseline }: Member): boolean =>
  health !== undefined &&
  baseline !== undefined &&
  (progress.kind === 'control' || outcome !== undefined);

function effectOf(
  members: readonly Member[],
  hitsOf: (health: Health) => Hits,
  candidateShare: number,
  delta: number,
): Omit<Effect, 'sign'> {
  // A change lies in −1…1, and divided by the chance of its arm in −scale…scale.
  const scale = 1 / Math.min(candidateShare, 1 - candidateShare);
  const seen: (readonly [number, number])[] = [];
  let sum = 0;
  for (const { health, baseline, arm } of members) {
    if (health === undefined || baseline === undefined) continue;
    const [after, before] = [withinTrials(hitsOf(health)), withinTrials(hitsOf(baseline))];
    if (after.trials === 0 || before.trials === 0) continue;
    const change = after.hits / after.trials - before.hits / before.trials;
    const weighed = arm === 'control' ? -change / (1 - candidateShare) : change / candidateShare;
    sum += weighed;
    seen.push([(weighed / scale + 1) / 2, 1]);
  }
  const { lower, upper } = toScale(anytimeBounds(seen as Seen, delta), scale);
  return {
    devices: seen.length,
    estimate: seen.length === 0 ? 0 : sum / seen.length,
    lower,
    upper,
    finding: upper < 0 ? 'better' : lower > 0 ? 'worse' : 'none-shown',
  };
}

const toScale = ({ lower, upper }: { lower: number; upper: number }, scale: number) => ({
  lower: (2 * lower - 1) * scale,
  upper: (2 * upper - 1) * scale,
});
