// What makes it impossible that a rollout ever ends, found before it begins: afterwards it would only look slow.

import { type Selectable, selects } from '../../fleet/selection.ts';
import { anytimeBounds, stakesPerDevice, toRise } from './anytime-bound.ts';
import { signsOf } from './gate-signs.ts';
import type { ResolvedBundle } from './ports.ts';
import type { Wave } from './rollout-event.ts';
import type { Comparison, RolloutPlan } from './rollout-plan.ts';

export interface Obstacle {
  readonly code:
    | 'nobody-selected'
    | 'fits-nobody'
    | 'empty-wave'
    | 'canary-too-small'
    | 'proof-out-of-reach'
    | 'herd-too-slow'
    | 'never-activates'
    | 'never-confirms'
    | 'wave-too-short'
    | 'budget-starves';
  readonly message: string;
}

const minuteMs = 60_000;
const dayMinutes = 1_440;

export function checkFeasibility(
  plan: RolloutPlan,
  waves: readonly Wave[],
  devices: readonly Selectable[],
  bundle: Pick<ResolvedBundle, 'fits'>,
): readonly Obstacle[] {
  const selected = devices.filter((device) => selects(plan.select, device));
  if (selected.length === 0)
    return [{ code: 'nobody-selected', message: 'no known device is selected' }];
  return [
    ...checkFit(selected, bundle),
    ...checkWaves(plan, waves),
    ...checkGate(plan, waves[0]?.size ?? 0),
    ...checkTimes(plan),
    ...checkBudget(plan, selected),
  ];
}

function checkFit(
  selected: readonly Selectable[],
  { fits }: Pick<ResolvedBundle, 'fits'>,
): readonly Obstacle[] {
  if (fits === undefined || selected.some(({ target }) => fits.includes(target))) return [];
  const targets = [...new Set(selected.map(({ target }) => target))].sort().join(', ');
  const message = `the version fits ${fits.join(', ') || 'nothing'}; selected are ${targets}`;
  return [{ code: 'fits-nobody', message }];
}

function checkWaves({ herd, timeouts }: RolloutPlan, waves: readonly Wave[]): readonly Obstacle[] {
  return waves.flatMap(({ size }, i): Obstacle[] => {
    if (size === 0) return [{ code: 'empty-wave', message: `wave ${i} has no device` }];
    const perMinute = Math.min(herd.fetchesPerMinute, herd.activationsPerMinute);
    const minutes = Math.ceil(size / perMinute);
    return minutes * minuteMs < timeouts.waveMs
      ? []
      : [
          {
            code: 'herd-too-slow',
            message: `wave ${i}: ${size} devices at ${perMinute} a minute take ${minutes} minutes, and the wave has ${timeouts.waveMs / minuteMs}`,
          },
        ];
  });
}

function checkGate({ gate }: RolloutPlan, canary: number): readonly Obstacle[] {
  const obstacles: Obstacle[] = [];
  if (canary < gate.devicesMin)
    obstacles.push({
      code: 'canary-too-small',
      message: `the canary has ${canary} devices, and the gate decides nothing below ${gate.devicesMin}`,
    });
  const comparisons: readonly [string, Comparison | undefined][] = [
    ['failures', gate.failures],
    ['escalations', gate.escalations],
    ['disagreements', gate.disagreements],
    ['audits', gate.audits],
  ];
  const pairs = canary * gate.answersPerDeviceMax;
  const stakes = canary * Math.min(stakesPerDevice, gate.answersPerDeviceMax);
  for (const [sign, limit] of comparisons) {
    if (limit === undefined) continue;
    if (limit.answersMin > pairs)
      obstacles.push({
        code: 'canary-too-small',
        message: `${sign}: ${canary} devices count for ${pairs} answers at most, and the gate wants ${limit.answersMin}`,
      });
    // Even if no answer of a candidate ever differed from its incumbent's.
    const { upper } = toRise(anytimeBounds([[0.5, stakes]], gate.delta));
    if (limit.need === 'prove' && upper > limit.riseMax)
      obstacles.push({
        code: 'proof-out-of-reach',
        message: `${sign}: ${canary} devices of the canary show a rise below ${upper.toFixed(3)} at best, and ${limit.riseMax} is to be proven`,
      });
  }
  for (const { name, share } of signsOf(gate)) {
    if (share === undefined) continue;
    const { lower } = anytimeBounds([[1, canary]], gate.delta / signsOf(gate).length);
    if (lower <= share && gate.failedMax === undefined)
      obstacles.push({
        code: 'canary-too-small',
        message: `${name}: even if all ${canary} devices of the canary did badly, more than ${share} would not be shown`,
      });
  }
  return obstacles;
}

function checkTimes({ device, timeouts }: RolloutPlan): readonly Obstacle[] {
  const { soak, timeouts: own, maintenance } = device;
  const closedMs = maintenance === undefined ? 0 : longestClosed(maintenance);
  if (closedMs >= own.activateMs)
    return [
      {
        code: 'never-activates',
        message: `between two maintenance windows lie ${closedMs / minuteMs} minutes, and an activation is given up after ${own.activateMs / minuteMs}`,
      },
    ];
  if (soak.forMs >= own.soakMs)
    return [
      {
        code: 'never-confirms',
        message: `a soak lasts ${soak.forMs} ms, and ends as a failure after ${own.soakMs}`,
      },
    ];
  return soak.forMs < timeouts.waveMs
    ? []
    : [
        {
          code: 'wave-too-short',
          message: `a wave has ${timeouts.waveMs} ms, and the soak alone lasts ${soak.forMs}`,
        },
      ];
}

/** Of the time between two windows, over a week that repeats. */
function longestClosed({
  days,
  fromMinute,
  minutes,
}: NonNullable<RolloutPlan['device']['maintenance']>): number {
  const opens = [...new Set(days)]
    .sort((a, b) => a - b)
    .map((day) => day * dayMinutes + fromMinute);
  const gaps = opens.map((open, i) => {
    const next = opens[i + 1] ?? (opens[0] ?? 0) + 7 * dayMinutes;
    return Math.max(0, next - open - minutes);
  });
  return Math.max(0, ...gaps) * minuteMs;
}

function checkBudget(
  { budget }: RolloutPlan,
  selected: readonly Selectable[],
): readonly Obstacle[] {
  if (budget === undefined) return [];
  const sizes = new Map<string, number>();
  for (const { site } of selected) sizes.set(site, (sizes.get(site) ?? 0) + 1);
  const starved = [...sizes].filter(([, size]) => size <= budget.minAvailable);
  if (starved.length === 0) return [];
  const [site, size] = starved[0] as [string, number];
  const message = `${starved.length} sites (${site}: ${size} devices) have no more than the ${budget.minAvailable} that must stay available, so none of theirs is ever updated`;
  return [{ code: 'budget-starves', message }];
}
