// Who is asked in a round, from what devices say of themselves. Pure, and seeded, so that a selection can be replayed. Who
// is not eligible is so for one reason, which somebody will want to know.

import { type Random, shuffle } from '@skerry/shared';
import type { DeclineReason, LearnPlan, LearnStatus, QueryPlan } from '@skerry/sync-protocol/learn';
import { type Selectable, selects } from '../../fleet/selection.ts';
import type { RunPlan } from './run-plan.ts';

/** A device as the fleet's registry has it. */
export interface LearnDevice extends Selectable {
  readonly online: boolean;
  /** By model, the digest of the bundle that its latest heartbeat names. */
  readonly running: Readonly<Record<string, string>>;
  /** By model, the digest of the variant of it. */
  readonly variants: Readonly<Record<string, string>>;
  /** Absent: of a version that knows nothing of learning. */
  readonly learn?: LearnStatus;
}

export type Ineligible =
  | Exclude<DeclineReason, 'no-consent' | 'no-room' | 'too-late'>
  | 'not-selected'
  | 'offline'
  | 'no-learning'
  | 'hardware-class'
  /** It has helped to open a sum of this round: its update is in no second one. */
  | 'opened';

export interface SelectionTerms {
  readonly plan: RunPlan;
  readonly learn: LearnPlan;
  /** Where devices are asked and do not train: who knows it needs no network. */
  readonly query: QueryPlan | undefined;
  /** When each was last asked by this run. */
  readonly askedMs: ReadonlyMap<string, number>;
  /** At work for this run, or for another. */
  readonly isBusy: (device: string) => boolean;
  readonly opened: ReadonlySet<string>;
  readonly nowMs: number;
}

/** `undefined`: it may be asked. A sign that is not told does not fulfil what is asked of it. [RND2] */
export function whyIneligible(device: LearnDevice, terms: SelectionTerms): Ineligible | undefined {
  const { plan, learn: task, query, askedMs, isBusy, opened, nowMs } = terms;
  const { eligibility } = plan;
  if (!selects(plan.select, device)) return 'not-selected';
  if (!device.online) return 'offline';
  const { learn } = device;
  if (learn === undefined) return 'no-learning';
  if (!learn.plans.includes((query ?? task).version)) return 'plan-unknown';
  if (query === undefined && !knowsNetwork(device, learn, task)) return 'network-unknown';
  if (isBusy(device.device)) return 'busy';
  if (opened.has(device.device)) return 'opened';
  const lastMs = askedMs.get(device.device);
  if (lastMs !== undefined && nowMs < lastMs + eligibility.separationMs) return 'too-soon';
  const examples = learn.examples.find(({ model }) => model === plan.model)?.count ?? 0;
  if (examples < task.examplesMin) return 'too-few-examples';
  if (eligibility.idle && !learn.idle) return 'not-idle';
  if (eligibility.charging && learn.charging !== true) return 'not-charging';
  if (eligibility.unmetered && learn.unmetered !== true) return 'metered';
  const { batteryMin, temperatureMax, hardwareClasses } = eligibility;
  // Who charges does not run empty.
  if (batteryMin !== undefined && learn.charging !== true && !((learn.battery ?? 0) >= batteryMin))
    return 'battery';
  if (temperatureMax !== undefined && !((learn.temperature ?? 1_000) <= temperatureMax))
    return 'hot';
  if (hardwareClasses !== undefined && !hardwareClasses.includes(learn.hardwareClass ?? ''))
    return 'hardware-class';
  return undefined;
}

/** The graph of a bundle is there where that bundle's variant is. */
const knowsNetwork = (
  { running, variants }: LearnDevice,
  learn: LearnStatus,
  { model, base, network }: LearnPlan,
): boolean =>
  network.kind === 'named'
    ? learn.networks.includes(network.name)
    : running[model] === base && variants[model] === network.digest;

export interface Survey {
  /** In the order of names. */
  readonly eligible: readonly LearnDevice[];
  readonly ineligible: Readonly<Partial<Record<Ineligible, number>>>;
}

export function survey(devices: readonly LearnDevice[], terms: SelectionTerms): Survey {
  const eligible: LearnDevice[] = [];
  const ineligible: Partial<Record<Ineligible, number>> = {};
  for (const device of devices) {
    const why = whyIneligible(device, terms);
    if (why === undefined) eligible.push(device);
    else ineligible[why] = (ineligible[why] ?? 0) + 1;
  }
  eligible.sort((a, b) => (a.device < b.device ? -1 : 1));
  return { eligible, ineligible };
}

/** `count` of them, each as likely as any other. */
export function sampleUniform(
  eligible: readonly LearnDevice[],
  count: number,
  random: Random,
): readonly LearnDevice[] {
  const places = shuffle(
    Array.from(eligible, (_, place) => place),
    random,
  );
  return places.slice(0, count).map((place) => eligible[place] as LearnDevice);
}

/** Each by itself with chance `share`: subsampling as the accountant assumes it. */
export const samplePoisson = (
  eligible: readonly LearnDevice[],
  share: number,
  random: Random,
): readonly LearnDevice[] => eligible.filter(() => random.next() < share);
