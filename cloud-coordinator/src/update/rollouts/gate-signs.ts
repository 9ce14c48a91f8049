// By what a gate judges a candidate: each sign turns one executed device into values whose mean is bounded at any time.

import type { Health } from '@skerry/sync-protocol/update';
import {
  countedAnswers,
  dealOut,
  type Hits,
  pairUp,
  type Seen,
  withinTrials,
} from './anytime-bound.ts';
import type { Comparison, GateLimits, RatioLimit } from './rollout-plan.ts';

/** One device whose update has ended. */
export interface Execution {
  readonly device: string;
  readonly failed: boolean;
  readonly health: Health | undefined;
  readonly baseline: Health | undefined;
}

export interface Sign {
  readonly name: string;
  /** What the mean is: of the candidate's devices or answers, or how far they exceed the incumbent's. */
  readonly kind: 'share' | 'rise';
  readonly limit: number;
  /** Harm is shown above this, where it is beyond the limit as far as seen. A rise: above nothing. */
  readonly harmAbove: number;
  readonly need: Comparison['need'];
  /** Values it must rest on: devices of a `share` of devices, answers else. */
  readonly trialsMin: number;
  readonly onHarm: 'rollback' | 'pause';
  /** A limit on a share of devices, which a canary must be able to show. */
  readonly share?: number;
  readonly see: (execution: Execution) => Seen;
  /** How many values that rests on. */
  readonly trials: (execution: Execution) => number;
  /** For the eye: what the candidate and the incumbent did, of how many. */
  readonly count: (execution: Execution) => { readonly candidate: Hits; readonly incumbent?: Hits };
}

const nothing: Hits = { hits: 0, trials: 0 };

export function signsOf(gate: GateLimits): readonly Sign[] {
  const { failures, escalations, disagreements, audits, shadow, latency, memory } = gate;
  return [
    shareOfDevices('failed devices', gate.failedShareMax, gate, ({ failed }) => failed),
    ...compare('failures', failures, gate, ({ failures: hits, requests }) => ({
      hits,
      trials: requests,
    })),
    ...compare('escalations', escalations, gate, ({ escalated, requests }) => ({
      hits: escalated,
      trials: requests,
    })),
    ...compare('disagreements', disagreements, gate, ({ cloud }) => missesOf(cloud)),
    ...compare('audits', audits, gate, ({ audit }) => missesOf(audit)),
    ...(shadow === undefined ? [] : [differ(shadow.differShareMax, gate)]),
    ...ratio('latency', latency, gate, (health) => health.latency.p95Ms),
    ...ratio('memory', memory, gate, (health) => health.memoryBytes),
  ];
}

const pairsOf = (
  { candidate, incumbent = nothing }: ReturnType<Sign['count']>,
  answersMax: number,
): number => countedAnswers(Math.min(candidate.trials, incumbent.trials), answersMax);

const missesOf = ({ answers, agreed }: Health['audit']): Hits => ({
  hits: answers - agreed,
  trials: answers,
});

function compare(
  name: string,
  limit: Comparison | undefined,
  { answersPerDeviceMax, onHarm }: GateLimits,
  hitsOf: (health: Health) => Hits,
): readonly Sign[] {
  if (limit === undefined) return [];
  const count: Sign['count'] = ({ health, baseline }) => ({
    candidate: health === undefined ? nothing : withinTrials(hitsOf(health)),
    incumbent: baseline === undefined ? nothing : withinTrials(hitsOf(baseline)),
  });
  return [
    {
      name,
      kind: 'rise',
      limit: limit.riseMax,
      harmAbove: 0,
      need: limit.need,
      trialsMin: limit.answersMin,
      onHarm,
      see(execution) {
        const { candidate, incumbent = nothing } = count(execution);
        return pairUp(candidate, incumbent, answersPerDeviceMax);
      },
      trials: (execution) => pairsOf(count(execution), answersPerDeviceMax),
      count,
    },
  ];
}

/** Answers given beside the incumbent. */
function differ(limit: number, { answersPerDeviceMax, devicesMin, onHarm }: GateLimits): Sign {
  const count: Sign['count'] = ({ health }) => ({
    candidate: health?.shadow === undefined ? nothing : withinTrials(missesOf(health.shadow)),
  });
  return {
    name: 'shadow',
    kind: 'share',
    limit,
    harmAbove: limit,
    need: 'watch',
    trialsMin: devicesMin,
    onHarm,
    see: (execution) => dealOut(count(execution).candidate, answersPerDeviceMax),
    trials: (execution) => countedAnswers(count(execution).candidate.trials, answersPerDeviceMax),
    count,
  };
}

function ratio(
  name: string,
  limit: RatioLimit | undefined,
  gate: GateLimits,
  figureOf: (health: Health) => number,
): readonly Sign[] {
  if (limit === undefined) return [];
  const isWorse = ({ health, baseline }: Execution): boolean | undefined => {
    // Without requests there are no figures; a failed device is counted as one already.
    if (health === undefined || baseline === undefined) return undefined;
    if (health.requests === 0 || baseline.requests === 0) return undefined;
    return figureOf(health) > limit.ratioMax * figureOf(baseline);
  };
  return [shareOfDevices(name, limit.worseShareMax, gate, isWorse)];
}

function shareOfDevices(
  name: string,
  limit: number,
  { devicesMin, onHarm }: GateLimits,
  isBad: (execution: Execution) => boolean | undefined,
): Sign {
  return {
    name,
    kind: 'share',
    limit,
    harmAbove: limit,
    need: 'watch',
    trialsMin: devicesMin,
    onHarm,
    share: limit,
    see(execution) {
      const bad = isBad(execution);
      return bad === undefined ? [] : [[bad ? 1 : 0, 1]];
    },
    trials: (execution) => (isBad(execution) === undefined ? 0 : 1),
    count(execution) {
      const bad = isBad(execution);
      return { candidate: bad === undefined ? nothing : { hits: bad ? 1 : 0, trials: 1 } };
    },
  };
}

/** Drift: one sign for each class and direction, of those that the devices tell. */
export function driftSigns(gate: GateLimits, classes: number): readonly Sign[] {
  const { drift, answersPerDeviceMax, devicesMin } = gate;
  if (drift === undefined) return [];
  const hitsOf = (health: Health | undefined, label: number): Hits => {
    const labels = health?.labels ?? [];
    return { hits: labels[label] ?? 0, trials: labels.reduce((sum, each) => sum + each, 0) };
  };
  return Array.from({ length: classes * 2 }, (_, i): Sign => {
    const label = i >> 1;
    const falls = i % 2 === 1;
    const count: Sign['count'] = ({ health, baseline }) => ({
      candidate: hitsOf(health, label),
      incumbent: hitsOf(baseline, label),
    });
    return {
      name: `drift: class ${label} ${falls ? 'falls' : 'rises'}`,
      kind: 'rise',
      limit: drift.moveMax,
      harmAbove: drift.moveMax,
      need: 'watch',
      trialsMin: devicesMin,
      // The world may have moved, and not the model.
      onHarm: 'pause',
      see(execution) {
        const { candidate, incumbent = nothing } = count(execution);
        return falls
          ? pairUp(incumbent, candidate, answersPerDeviceMax)
          : pairUp(candidate, incumbent, answersPerDeviceMax);
      },
      trials: (execution) => pairsOf(count(execution), answersPerDeviceMax),
      count,
    };
  });
}
