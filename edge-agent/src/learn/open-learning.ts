// Learning as the configuration wants it.

import { deviceExitOf } from '@skerry/models';
import type { Clock, Log, Random } from '@skerry/shared';
import type { AgentConfig } from '../config.ts';
import type { LiveModels } from '../infer/live-models.ts';
import type { PowerReading } from '../route/strain.ts';
import type { LearningModel, LearningPorts } from './learn-ports.ts';
import { createLearning, type Learning } from './learning.ts';

/** Of the device's budget for updates with local noise: a chance that nobody has to fear. */
const localDelta = 1e-6;

export function openLearningOf(
  config: AgentConfig,
  ports: {
    readonly learning?: LearningPorts | undefined;
    readonly power?: () => PowerReading;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
  },
  { live, waiting }: { readonly live: LiveModels; readonly waiting: () => number },
): Learning | undefined {
  if (ports.learning === undefined) return undefined;
  const { learnModels, learnCloudLabels } = config;
  return createLearning(
    {
      device: config.device,
      target: config.target,
      unmetered: config.metered === 'no',
      consent: (model) => {
        const people = learnModels?.includes(model) ?? false;
        return { people, cloud: people && learnCloudLabels === 'yes' };
      },
      tellsLabels: config.learnLabelsTold === 'yes',
      retentionMs: config.learnRetentionMs,
      privacy: {
        updates: config.learnUpdates,
        budget: { epsilonMax: config.learnEpsilonMax, delta: localDelta },
      },
      terms: {
        idleMsMin: config.learnIdleMs,
        charging: config.learnCharging,
        batteryShareMin: config.learnBatteryShareMin,
        celsiusMax: config.learnCelsiusMax,
        metered: config.learnMetered,
      },
    },
    ports.learning,
    {
      models: live.classifiers,
      learningModel: (name) => learningModelOf(name, live),
      labelsOf: live.labelsOf,
      waiting,
      power: ports.power ?? (() => ({})),
      clock: ports.clock,
      random: ports.random,
      log: ports.log,
    },
  );
}

function learningModelOf(name: string, live: LiveModels): LearningModel | undefined {
  const model = live.classifiers.get(name);
  const [input] = model?.manifest.inputs ?? [];
  if (model === undefined || input === undefined) return undefined;
  return {
    name,
    bundle: model.bundle,
    labels: model.manifest.labels,
    datatype: input.datatype,
    shape: input.shape.slice(1),
    ...graphOf(model.bundle, live),
  };
}

/** Its bytes were held against the manifest when they were read. */
function graphOf(digest: string, live: LiveModels): Pick<LearningModel, 'graph'> {
  const bundle = live.bundles().find((each) => each.digest === digest);
  const exit = bundle && deviceExitOf(bundle.manifest);
  if (bundle === undefined || !exit?.ok) return {};
  const model = bundle.stages.get(exit.value.stage);
  const { logits } = exit.value;
  return model === undefined ? {} : { graph: { digest: bundle.variant.digest, model, logits } };
}
