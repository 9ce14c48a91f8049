// A device's trainer over models' own, for networks that only a simulation has; it may get no further than `stepsMax`, as
// one does whose time is up.

import type { Examples, LocalTrainer } from '@skerry/edge-agent/learn';
import { type Tensor, tensorFromBytes } from '@skerry/models';
import type { Trainer } from '@skerry/models/training';
import type { Result } from '@skerry/shared';

export function createSlowTrainer(trainer: Trainer, stepsMax: number | undefined): LocalTrainer {
  return {
    async train({ plan, parameters, correction, seed }, examples, signal) {
      const input = tensorOf(examples);
      if (!input.ok) return input;
      const { epochs, batch, learningRate, proximalMu } = plan;
      const task = {
        epochs,
        batch,
        learningRate,
        seed,
        ...(proximalMu === undefined ? {} : { proximalMu }),
        ...(correction === undefined ? {} : { control: correction }),
        ...(stepsMax === undefined ? {} : { stepsMax }),
      };
      const own = { input: input.value, labels: examples.labels };
      return trainer.train(parameters, own, task, signal);
    },
    async evaluate({ parameters }, examples) {
      const input = tensorOf(examples);
      if (!input.ok) return input;
      return trainer.evaluate(parameters, { input: input.value, labels: examples.labels });
    },
  };
}

export const tensorOf = ({ datatype, shape, inputs, labels }: Examples): Result<Tensor> =>
  tensorFromBytes(datatype, [labels.length, ...shape], inputs);
