// Updates as the configuration wants them, and what the agent's other features tell them.

import type { Tensor } from '@skerry/models';
import type { Clock, Failure, Log, Random } from '@skerry/shared';
import type { LiveModels } from '../infer/live-models.ts';
import type { Model } from '../infer/model.ts';
import type { InferenceAnswer } from '../infer/request.ts';
import type { StepPorts } from './update-steps.ts';
import type { UpdatesPorts } from './updates.ts';
import { createUpdates, type Updates } from './updates.ts';

/** Chosen by main.ts. */
export type UpdatingPorts = Pick<
  UpdatesPorts,
  'store' | 'inbox' | 'slots' | 'blobs' | 'trust' | 'applyDelta' | 'sha256' | 'limits'
> & {
  /** That `applyDelta` reads. */
  readonly deltaForms?: readonly number[];
};

export interface UpdatesConfig {
  readonly device: string;
  readonly metered: 'no' | 'yes';
  readonly computeMilliwatts: number;
  readonly deadlineMs: number;
}

/** How the models behave, as it happens. */
export interface ObservedHealth {
  answered(answer: InferenceAnswer): void;
  failed(model: Model, failure: Failure, deadlineMs: number): void;
  escalated(model: string, version: string): void;
  audited(model: Model, agrees: boolean): void;
  cloudSaid(model: string, version: string, agrees: boolean): void;
}

export interface OpenedUpdates extends Omit<Updates, 'offer'> {
  readonly health: ObservedHealth;
  /** Inside the transaction that applies the op. */
  receive(envelope: Uint8Array): void;
  offer(model: Model, input: Tensor): ReturnType<Updates['offer']>;
}

/** That the queue was full, or a question was none, is not the model's doing. */
const modelsOwn: ReadonlySet<Failure['code']> = new Set([
  'runtime_failed',
  'unavailable',
  'invalid_bundle',
  'internal',
  'deadline_exceeded',
]);

export function openUpdates(
  { device, metered, computeMilliwatts, deadlineMs: usualMs }: UpdatesConfig,
  updating: UpdatingPorts,
  ports: {
    readonly live: LiveModels;
    readonly waiting: StepPorts['waiting'];
    readonly linkUp: () => boolean;
    readonly onAppended: () => void;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
  },
): OpenedUpdates {
  const updates = createUpdates(device, metered === 'yes', {
    ...ports,
    ...updating,
    computeMilliwatts,
  });
  /** Of whatever bundle answers under this name in this version. */
  const meterOf = (name: string, version: string) => {
    const model = ports.live.loaded(name, version);
    return model && updates.meter(name, model.bundle);
  };
  return {
    ...updates,
    receive: updating.inbox.put,
    offer: (model, input) =>
      ports.live.classifiers.get(model.manifest.name) === model
        ? updates.offer(model.manifest.name, input)
        : undefined,
    health: {
      answered(answer) {
        const { bundle, manifest } = answer.model;
        updates.answered(manifest.name);
        updates.meter(manifest.name, bundle)?.answered(answer);
      },
      failed({ bundle, manifest }, { code }, deadlineMs) {
        // Who allows less than the device's own deadline has chosen to hear nothing.
        const isOwn = code === 'deadline_exceeded' ? deadlineMs >= usualMs : modelsOwn.has(code);
        if (isOwn) updates.meter(manifest.name, bundle)?.failed();
      },
      escalated: (model, version) => meterOf(model, version)?.escalated(),
      audited: ({ bundle, manifest }, agrees) =>
        updates.meter(manifest.name, bundle)?.judged('audit', agrees),
      cloudSaid: (model, version, agrees) => meterOf(model, version)?.judged('cloud', agrees),
    },
  };
}
