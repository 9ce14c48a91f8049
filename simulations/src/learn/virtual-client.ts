// What a virtual client does with a task: the app of a device itself, mods and all, on its own examples, with a trainer that
// may be too slow for all of its epochs.

import { randomFillSync } from 'node:crypto';
import { type Examples as ClientExamples, runClient } from '@skerry/edge-agent/learn';
import { createRandom } from '@skerry/shared';
import { decodeUpdate, type LearnPlan, parameterLayoutSchema } from '@skerry/sync-protocol/learn';
import { expectOk } from '../fleet-update/expect-ok.ts';
import { labelsOf, sentUpdate } from './behaviour.ts';
import type { ClientWork, EvaluateWork, Scored, WorkedReply } from './client-work.ts';
import type { ExampleSet, Examples } from './examples.ts';
import { type LearnedModel, openTrainer } from './learned-model.ts';
import { createSlowTrainer, tensorOf } from './slow-trainer.ts';

/** Of a bundle that no simulated client runs. */
const noBundle = `sha256:${'0'.repeat(64)}`;
const nobodyAborts = new AbortController().signal;
const mods = { secretBytes: { fill: (into: Uint8Array) => void randomFillSync(into) } };

export async function createVirtualClients(model: LearnedModel, data: ExampleSet) {
  const trainer = await openTrainer(model);
  const layout = parameterLayoutSchema.parse(trainer.layout);
  const planOf = ({
    task,
    indices,
    compression,
  }: Pick<ClientWork, 'task' | 'indices' | 'compression'>): LearnPlan => ({
    ...plannedOf(model),
    model: 'trial',
    base: noBundle,
    layout,
    epochs: task.epochs,
    batch: task.batch ?? indices.length,
    learningRate: task.learningRate,
    ...(task.proximalMu > 0 ? { proximalMu: task.proximalMu } : {}),
    compression,
    examplesMin: 1,
    examplesMax: indices.length,
    holdOut: 0,
    seed: task.seed,
  });
  return {
    async train(work: Omit<ClientWork, 'kind'>): Promise<WorkedReply> {
      const { parameters, task, behaviour, compression, state } = work;
      const plan = planOf(work);
      const own = select(data.train, work.indices);
      const done = await runClient(
        {
          message: { type: 'train', run: 'trial', round: 0, attempt: 1, plan, parameters },
          examples: {
            train: { ...own, labels: labelsOf(own.labels, behaviour) },
            heldOut: select(data.train, new Uint32Array()),
          },
          state,
          seed: task.seed,
        },
        { trainer: createSlowTrainer(trainer, task.stepsMax), mods },
        nobodyAborts,
      );
      if (!done.ok && done.error.code === 'runtime_failed')
        return { kind: 'failed', message: done.error.message };
      const { reply, state: kept } = expectOk(done);
      if (reply.type !== 'trained' || reply.packed === undefined)
        throw new Error(`a client answered with '${reply.type}', or without its update`);
      const { bytes } = reply.packed;
      const honest = expectOk(decodeUpdate(layout, compression, bytes));
      return {
        kind: 'trained',
        delta: sentUpdate(honest, behaviour, createRandom(task.seed)),
        bytes: bytes.length,
        examples: reply.examples,
        steps: reply.steps,
        completed: reply.completed,
        loss: reply.metrics['loss'] ?? Number.NaN,
        state: kept,
      };
    },
    async evaluate({ parameters, from, until }: EvaluateWork): Promise<Scored> {
      const indices = Uint32Array.from({ length: until - from }, (_, i) => from + i);
      const examples = select(data.test, indices);
      const { loss, labels } = expectOk(
        await trainer.evaluate(parameters, {
          input: expectOk(tensorOf(examples)),
          labels: examples.labels,
        }),
      );
      return {
        kind: 'scored',
        right: labels.reduce((sum, { correct }) => sum + correct, 0),
        loss: loss * indices.length,
      };
    },
  };
}

const plannedOf = (model: LearnedModel): Pick<LearnPlan, 'version' | 'network' | 'trains'> =>
  model.kind === 'network'
    ? { version: 1, network: { kind: 'named', name: model.name }, trains: 'all' }
    : {
        version: 2,
        network: { kind: 'bundle', variant: 'fp32', digest: noBundle },
        trains: model.trains,
      };

function select({ shape, inputs, labels }: Examples, indices: Uint32Array): ClientExamples {
  const bytes = new Uint8Array(inputs.buffer);
  const size = (bytes.length / labels.length) | 0;
  const own = new Uint8Array(indices.length * size);
  for (const [i, index] of indices.entries())
    own.set(bytes.subarray(index * size, (index + 1) * size), i * size);
  return {
    datatype: inputs instanceof Uint8Array ? 'UINT8' : 'FP32',
    shape,
    inputs: own,
    labels: Int32Array.from(indices, (index) => labels[index] as number),
  };
}
