import { knownNetworks, parametersOf } from '@skerry/models/training';
import { type LearnPlan, layoutSize } from '@skerry/sync-protocol/learn';
import { sampleLearnPlan } from '@skerry/sync-protocol/testing';
import { expect, it, onTestFinished } from 'vitest';
import type { Examples } from '../learn/examples.ts';
import { createLocalTrainer, localNetworks } from './local-trainer.ts';

const layout = {
  tensors: parametersOf(knownNetworks['2nn'].network).map(({ name, shape }) => ({
    name,
    shape: [...shape],
  })),
};
const plan = sampleLearnPlan({
  layout,
  batch: 1,
  learningRate: 0.1,
});
const examples: Examples = {
  datatype: 'UINT8',
  shape: [1, 28, 28],
  inputs: new Uint8Array(2 * 784).fill(255, 0, 784),
  labels: Int32Array.of(1, 2),
};

it('[LEA15] trains a network that it knows, with the layout that is its own, and no other', async () => {
  const trainer = createLocalTrainer();
  onTestFinished(() => trainer.close());
  const parameters = new Float32Array(layoutSize(layout)).fill(0.01);
  const { signal } = new AbortController();
  const train = (more: Partial<LearnPlan>) =>
    trainer.train({ plan: { ...plan, ...more }, parameters, seed: 1 }, examples, signal);
  expect(localNetworks).toContain('2nn');
  expect(await train({})).toMatchObject({ value: { steps: 2, completed: 1, examples: 2 } });
  const [first, second, ...rest] = layout.tensors;
  for (const other of [
    { network: { kind: 'named', name: 'other' } },
    { network: { kind: 'bundle', variant: 'fp32' } },
    { layout: { tensors: [second, first, ...rest] } },
    { layout: { tensors: rest } },
  ] as Partial<LearnPlan>[])
    expect(await train(other)).toMatchObject({ error: { code: 'not_found' } });
});
