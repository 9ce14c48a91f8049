// The LocalTrainer over models' trainers: which network a plan means, and examples as they take them.

import { type Tensor, tensorFromBytes } from '@skerry/models';
import {
  createOnnxTrainer,
  type KnownNetwork,
  knownNetworks,
  layoutOf,
  type Trainer,
  trainableOf,
} from '@skerry/models/training';
import { err, failure, ok, type Result } from '@skerry/shared';
import { type LearnPlan, sameLayout } from '@skerry/sync-protocol/learn';
import type { Examples } from '../learn/examples.ts';
import type { LocalTrainer } from '../learn/trainer.ts';

const networks: Readonly<Record<string, KnownNetwork>> = knownNetworks;
export const localNetworks: readonly string[] = Object.keys(networks);

/** One session of each network, for as long as it is open; one thread. */
export function createLocalTrainer(): LocalTrainer & { close(): Promise<void> } {
  const open = new Map<string, Trainer>();

  const trainerOf = ({ network, layout, trains }: LearnPlan): Result<Trainer> => {
    if (network.kind === 'bundle')
      return err(failure('not_found', 'the graph of a bundle is not trained here'));
    const known = networks[network.name];
    if (known === undefined || trains === 'head')
      return err(failure('not_found', `no network '${network.name}' whose '${trains}' is trained`));
    const trainable = trainableOf(known.network);
    const trainer =
      open.get(network.name) ??
      createOnnxTrainer(trainable, { threads: 1, inputScale: known.inputScale });
    open.set(network.name, trainer);
    // Its tensors in another order would be other weights.
    const own = layoutOf(trainable);
    const same = sameLayout(
      { tensors: own.tensors.map(({ name, shape }) => ({ name, shape: [...shape] })) },
      layout,
    );
    return same
      ? ok(trainer)
      : err(failure('not_found', `the plan's layout is not that of network '${network.name}'`));
  };

  return {
    async train({ plan, parameters, correction, seed }, examples, signal) {
      const trainer = trainerOf(plan);
      if (!trainer.ok) return trainer;
      const input = inputOf(examples);
      if (!input.ok) return input;
      const { epochs, batch, learningRate, momentum, proximalMu } = plan;
      return trainer.value.train(
        parameters,
        { input: input.value, labels: examples.labels },
        {
          epochs,
          batch,
          learningRate,
          seed,
          ...(momentum === undefined ? {} : { momentum }),
          ...(proximalMu === undefined ? {} : { proximalMu }),
          ...(correction && { control: correction }),
        },
        signal,
      );
    },
    async evaluate({ plan, parameters }, examples) {
      const trainer = trainerOf(plan);
      if (!trainer.ok) return trainer;
      const input = inputOf(examples);
      if (!input.ok) return input;
      return trainer.value.evaluate(parameters, { input: input.value, labels: examples.labels });
    },
    async close() {
      for (const trainer of open.values()) await trainer.close();
    },
  };
}

const inputOf = ({ datatype, shape, inputs, labels }: Examples): Result<Tensor> =>
  tensorFromBytes(datatype, [labels.length, ...shape], inputs);
