// Runs a step graph: holds the weights and momenta that go in, and takes the new ones that come out.

import { defined } from '@skerry/shared';
import * as ort from 'onnxruntime-node';
import { encodeModel } from '../onnx/model-proto.ts';
import { createOrtSession } from '../runtime/ort-session.ts';
import type { Session } from '../runtime/runtime.ts';
import type { Tensor } from '../tensor.ts';
import { expectOk } from './expect-ok.ts';
import { type Network, parametersOf } from './network.ts';
import { createStepGraph, type StepOptions, stepNames } from './step-graph.ts';
import type { Weights } from './weights.ts';

export interface Batch {
  /** FP32 [batch, ...input]. */
  readonly images: Tensor;
  /** INT64 [batch]. */
  readonly labels: Tensor;
}

export interface Trainer {
  /** Takes one step; returns the batch's mean loss at each exit, before it. */
  step(batch: Batch, learningRate: number): Promise<number[]>;
  weights(): Weights;
  close(): Promise<void>;
}

export interface TrainerOptions extends StepOptions {
  readonly threads: number;
}

/** Steps from `initial`, with momenta of 0. */
export async function createTrainer(
  network: Network,
  initial: Weights,
  options: TrainerOptions,
): Promise<Trainer> {
  const parameters = parametersOf(network);
  const graph = encodeModel(createStepGraph(network, options));
  const session: Session = expectOk(await createOrtSession(ort, graph, ['cpu'], options));
  const state: Record<string, Tensor> = {};
  for (const { name, shape } of parameters) {
    const data = defined(initial.get(name), name);
    state[stepNames.weight(name)] = float32(shape, data);
    state[stepNames.momentum(name)] = float32(shape, new Float32Array(data.length));
  }
  return {
    async step(batch, learningRate) {
      const feeds = {
        ...state,
        [stepNames.images]: batch.images,
        [stepNames.labels]: batch.labels,
        [stepNames.learningRate]: float32([], Float32Array.of(learningRate)),
      };
      const outputs = expectOk(await session.run(feeds));
      for (const { name } of parameters) {
        state[stepNames.weight(name)] = outputs[stepNames.newWeight(name)] as Tensor;
        state[stepNames.momentum(name)] = outputs[stepNames.newMomentum(name)] as Tensor;
      }
      return network.segments.map((_, i) => Number(outputs[stepNames.loss(i + 1)]?.data[0]));
    },
    weights: () =>
      new Map(
        parameters.map(({ name }) => [
          name,
          state[stepNames.weight(name)]?.data as Float32Array<ArrayBuffer>,
        ]),
      ),
    close: () => session.close(),
  };
}

const float32 = (shape: readonly number[], data: Float32Array<ArrayBuffer>): Tensor => ({
  datatype: 'FP32',
  shape,
  data,
});
