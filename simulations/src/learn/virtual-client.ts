// What a virtual client does with a task: trains on its own examples, compresses what it sends and keeps what it must.

import {
  createOnnxTrainer,
  type Trainer,
  type TrainingExamples,
  trainableOf,
} from '@skerry/models/training';
import { createRandom } from '@skerry/shared';
import { decodeUpdate, encodeUpdate, parameterLayoutSchema } from '@skerry/sync-protocol/learn';
import { expectOk } from '../fleet-update/expect-ok.ts';
import { labelsOf, sentUpdate } from './behaviour.ts';
import type { ClientWork, EvaluateWork, Scored, WorkedReply } from './client-work.ts';
import type { ExampleSet, Examples } from './examples.ts';
import { type LearnNetwork, learnNetworks } from './learn-network.ts';

export function createVirtualClients(network: LearnNetwork, data: ExampleSet) {
  const trainer: Trainer = createOnnxTrainer(trainableOf(learnNetworks[network]));
  const layout = parameterLayoutSchema.parse(trainer.layout);
  return {
    async train(work: Omit<ClientWork, 'kind'>): Promise<WorkedReply> {
      const { parameters, task, behaviour, compression, residual } = work;
      const own = select(data.train, work.indices);
      const examples = { ...own, labels: labelsOf(own.labels, behaviour) };
      const { batch = own.labels.length, ...rest } = task;
      const ran = await trainer.train(parameters, examples, { ...rest, batch });
      if (!ran.ok && ran.error.code === 'runtime_failed')
        return { kind: 'failed', message: ran.error.message };
      const trained = expectOk(ran);
      const { steps, completed, loss } = trained;
      const random = createRandom(task.seed);
      const delta = sentUpdate(trained.delta, behaviour, random);
      const encoded = expectOk(encodeUpdate(layout, compression, delta, { random, residual }));
      return {
        kind: 'trained',
        delta: expectOk(decodeUpdate(layout, compression, encoded.bytes)),
        bytes: encoded.bytes.length,
        examples: trained.examples,
        steps,
        completed,
        loss,
        ...(encoded.residual === undefined ? {} : { residual: encoded.residual }),
      };
    },
    async evaluate({ parameters, from, until }: EvaluateWork): Promise<Scored> {
      const { loss, examples, labels } = expectOk(
        await trainer.evaluate(parameters, slice(data.test, from, until)),
      );
      return {
        kind: 'scored',
        right: labels.reduce((sum, { correct }) => sum + correct, 0),
        loss: loss * examples,
      };
    },
  };
}

type OwnExamples = TrainingExamples & { readonly labels: Uint8Array };

function select({ shape, inputs, labels }: Examples, indices: Uint32Array): OwnExamples {
  const size = shape.reduce((product, length) => product * length, 1);
  const bytes = inputs instanceof Uint8Array;
  const data = bytes
    ? new Uint8Array(indices.length * size)
    : new Float32Array(indices.length * size);
  for (const [i, index] of indices.entries())
    data.set(inputs.subarray(index * size, (index + 1) * size), i * size);
  return {
    input: {
      datatype: bytes ? 'UINT8' : 'FP32',
      shape: [indices.length, ...shape],
      data,
    } as OwnExamples['input'],
    labels: Uint8Array.from(indices, (index) => labels[index] as number),
  };
}

const slice = (examples: Examples, from: number, until: number): OwnExamples =>
  select(
    examples,
    Uint32Array.from({ length: until - from }, (_, i) => from + i),
  );
