// What of updates can be seen from outside: in every heartbeat, and on the local API.

import type { DeviceStatus } from '@skerry/sync-protocol';
import type { UpdateReport } from '@skerry/sync-protocol/update';
import type { ManagedModel } from './managed-model.ts';
import type { Odometer } from './odometer.ts';
import { contentOf, isUnderWay } from './update-record.ts';

export type UpdateStatus = NonNullable<DeviceStatus['models'][number]['update']>;

export interface UpdateView {
  /** Absent where nothing was ever assigned. */
  statusOf(model: string): UpdateStatus | undefined;
  /** All of it, for a person on the device. */
  describe(): readonly Readonly<Record<string, unknown>>[];
}

const reportsKeptMax = 32;
const waitingCharsMax = 256;

export function createUpdateView(
  models: ReadonlyMap<string, ManagedModel>,
  odometer: Odometer,
): UpdateView & { told(report: UpdateReport): void } {
  const reports: { readonly atMs: number; readonly report: UpdateReport }[] = [];

  const statusOf = (name: string): UpdateStatus | undefined => {
    const model = models.get(name);
    if (model === undefined || model.update.state.kind === 'idle') return undefined;
    const { state } = model.update;
    const { passedMs, wallMs } = odometer.read();
    return {
      bundle: state.goal.bundle,
      state: state.kind,
      sinceMs: Math.max(0, Math.round(wallMs - (passedMs - state.since.passedMs))),
      ...(model.waiting === undefined ? {} : { waiting: model.waiting.slice(0, waitingCharsMax) }),
    };
  };

  return {
    statusOf,
    describe: () =>
      [...models.values()].map((model) => {
        const { update, name } = model;
        const { state, active, previous, slots, factory, attempts, quarantined, forbidden } =
          update;
        return {
          model: name,
          update: statusOf(name) ?? { state: 'idle' },
          ...(state.kind === 'idle' ? {} : { goal: aboutOf(state.goal) }),
          ...('reason' in state ? { reason: state.reason } : {}),
          ...(isUnderWay(state) ? { timeouts: state.goal.terms.timeouts } : {}),
          ...(model.shadow ? { shadow: model.shadow.progress() } : {}),
          running: contentOf(update, active),
          active,
          previous,
          slots: { ...slots, factory },
          health: Object.fromEntries([...model.meters].map(([bundle, m]) => [bundle, m.read()])),
          attempts,
          quarantined,
          forbidden,
          reports: reports.filter(({ report }) => report.model === name),
        };
      }),
    told(report) {
      reports.push({ atMs: odometer.read().wallMs, report });
      if (reports.length > reportsKeptMax) reports.shift();
    },
  };
}

const aboutOf = ({
  bundle,
  version,
  counter,
  attempt,
  rollout,
}: {
  readonly bundle: string;
  readonly version: string;
  readonly counter: number;
  readonly attempt: number;
  readonly rollout?: string;
}) => ({ bundle, version, counter, attempt, rollout });
