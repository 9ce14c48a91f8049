// The LocalTrainer over models' trainers: which network a plan means, or what of the model that runs here, and examples as
// they take them.

import { type Tensor, tensorFromBytes } from '@skerry/models';
import {
  createOnnxTrainer,
  type KnownNetwork,
  knownNetworks,
  openGraphTrainer,
  type Trainer,
  trainableOf,
} from '@skerry/models/training';
import { err, failure, ok, type Result } from '@skerry/shared';
import { type LearnPlan, sameLayout } from '@skerry/sync-protocol/learn';
import type { Examples } from '../learn/examples.ts';
import type { DeviceGraph, LocalTrainer } from '../learn/trainer.ts';

const networks: Readonly<Record<string, KnownNetwork>> = knownNetworks;

/**
 * One session of each network, for as long as it is open; one thread.
 * @param graph what plans of the base's own graph train, if there is one
 */
export function createLocalTrainer(graph?: DeviceGraph): LocalTrainer & { close(): Promise<void> } {
  const open = new Map<string, Trainer>();

  const openNetwork = (name: string): Result<Trainer> => {
    const known = networks[name];
    if (known === undefined) return err(failure('not_found', `no network '${name}'`));
    const { network, inputScale } = known;
    return ok(createOnnxTrainer(trainableOf(network), { threads: 1, inputScale }));
  };

  const openGraph = async (digest: string, trains: LearnPlan['trains']) => {
    if (graph?.digest !== digest)
      return err(failure('not_found', `no variant ${digest} runs here`));
    const how = { trains, output: graph.logits, threads: 1 };
    const opened = await openGraphTrainer(graph.model, how);
    return opened.ok ? ok(opened.value.trainer) : opened;
  };

  const trainerOf = async ({ network, layout, trains }: LearnPlan): Promise<Result<Trainer>> => {
    if (network.kind === 'named' && trains === 'head')
      return err(failure('not_found', 'a head alone is trained of the base’s graph'));
    const name = network.kind === 'named' ? network.name : `${network.digest} ${trains}`;
    const had = open.get(name);
    const opened = had
      ? ok(had)
      : network.kind === 'named'
        ? openNetwork(network.name)
        : await openGraph(network.digest, trains);
    if (!opened.ok) return opened;
    open.set(name, opened.value);
    // Its tensors in another order would be other weights.
    const { tensors } = opened.value.layout;
    const same = sameLayout(
      { tensors: tensors.map(({ name, shape }) => ({ name, shape: [...shape] })) },
      layout,
    );
    return same
      ? opened
      : err(failure('not_found', `the plan's layout is not that of what it trains, ${name}`));
  };

  return {
    async train({ plan, parameters, correction, seed }, examples, signal) {
      const trainer = await trainerOf(plan);
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
      const trainer = await trainerOf(plan);
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
