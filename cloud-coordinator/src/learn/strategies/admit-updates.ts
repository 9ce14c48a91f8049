// Which of a round's updates an aggregate may look at, in the order of client ids. One that cannot be added is left out
// with its reason and ends nothing: screening has seen it before, and a rule must hold all the same.

import { type ClientUpdate, type LeftOutReason, startLossMetric } from './strategy.ts';
import { isFiniteVector } from './vectors.ts';

export interface LeftOut {
  readonly client: string;
  readonly reason: LeftOutReason;
}

export interface Admitted {
  readonly updates: readonly ClientUpdate[];
  readonly leftOut: readonly LeftOut[];
}

export interface Admission {
  readonly size: number;
  /** `drop`: who did not do all of the work is not counted (what FedAvg did before FedProx). */
  readonly partialWork: 'keep' | 'drop';
  readonly needsControl?: boolean;
  readonly needsSteps?: boolean;
  readonly needsStartLoss?: boolean;
  /** Rounds that its base may be behind. */
  readonly stalenessMax?: number;
  /** A client counts once, unless updates are taken as they come. */
  readonly repeats?: boolean;
}

export function admitUpdates(all: readonly ClientUpdate[], admission: Admission): Admitted {
  const updates: ClientUpdate[] = [];
  const leftOut: LeftOut[] = [];
  const seen = new Set<string>();
  for (const update of inClientOrder(all)) {
    const { client } = update;
    const isAgain = seen.has(client) && admission.repeats !== true;
    const reason = isAgain ? 'repeated' : whyNotAdmitted(update, admission);
    if (reason !== undefined) {
      leftOut.push({ client, reason });
      continue;
    }
    seen.add(client);
    updates.push(update);
  }
  return { updates, leftOut };
}

/** By code units, which no locale changes; of one client as they came. */
function inClientOrder(updates: readonly ClientUpdate[]): readonly ClientUpdate[] {
  return [...updates].sort((a, b) => (a.client < b.client ? -1 : a.client > b.client ? 1 : 0));
}

/** Of one update by itself, whoever else comes. */
export function whyNotAdmitted(
  update: ClientUpdate,
  admission: Admission,
): LeftOutReason | undefined {
  const { size } = admission;
  if (update.delta.length !== size) return 'wrong-size';
  if (!isFiniteVector(update.delta)) return 'not-finite';
  // A mean over no examples is 0/0, and a negative count would subtract.
  if (!Number.isSafeInteger(update.examples) || update.examples <= 0) return 'no-examples';
  const { stalenessMax } = admission;
  if (stalenessMax !== undefined && !(update.staleness >= 0 && update.staleness <= stalenessMax))
    return 'too-stale';
  if (admission.partialWork === 'drop' && !(update.completed >= 1)) return 'partial';
  if (admission.needsSteps && !(Number.isSafeInteger(update.steps) && update.steps > 0))
    return 'no-steps';
  if (admission.needsControl) {
    if (update.control?.length !== size) return 'no-control';
    if (!isFiniteVector(update.control)) return 'not-finite';
  }
  if (admission.needsStartLoss) {
    const loss = update.metrics[startLossMetric];
    if (!(loss !== undefined && Number.isFinite(loss) && loss >= 0)) return 'no-start-loss';
  }
  return undefined;
}
