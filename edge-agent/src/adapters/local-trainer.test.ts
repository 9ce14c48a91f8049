import { join } from 'node:path';
import { deviceExitOf } from '@skerry/models';
import { readBundle, zooDirectory } from '@skerry/models/node';
import { knownNetworks, openGraphTrainer, parametersOf, readMnist } from '@skerry/models/training';
import { assert, defined } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import {
  type LearnPlan,
  layoutSize,
  parameterLayoutSchema,
  tensorsOf,
} from '@skerry/sync-protocol/learn';
import { sampleLearnPlan } from '@skerry/sync-protocol/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Examples } from '../learn/examples.ts';
import { runClient } from '../learn/run-client.ts';
import { createLocalTrainer } from './local-trainer.ts';

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
const digest = `sha256:${'b'.repeat(64)}`;
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
  expect(Object.keys(knownNetworks)).toContain('2nn');
  expect(await train({})).toMatchObject({ value: { steps: 2, completed: 1, examples: 2 } });
  const [first, second, ...rest] = layout.tensors;
  for (const other of [
    { network: { kind: 'named', name: 'other' } },
    { network: { kind: 'bundle', variant: 'fp32', digest } },
    { trains: 'head' },
    { layout: { tensors: [second, first, ...rest] } },
    { layout: { tensors: rest } },
  ] as Partial<LearnPlan>[])
    expect(await train(other)).toMatchObject({ error: { code: 'not_found' } });
});

describe('the graph that runs on the device', () => {
  const open = async (trains: LearnPlan['trains']) => {
    const { stages, variant, manifest } = unwrap(
      await readBundle(join(zooDirectory, 'digits'), ['edge']),
    );
    const model = defined(stages.get('edge'), 'its stage');
    const { logits } = unwrap(deviceExitOf(manifest));
    const trainer = createLocalTrainer({ digest: variant.digest, model, logits });
    const known = unwrap(await openGraphTrainer(model, { trains, output: logits }));
    onTestFinished(() => trainer.close());
    onTestFinished(() => known.trainer.close());
    const ofGraph = sampleLearnPlan({
      version: 2,
      network: { kind: 'bundle', variant: 'fp32', digest: variant.digest },
      trains,
      layout: parameterLayoutSchema.parse(known.trainer.layout),
      batch: 10,
      epochs: 20,
      learningRate: 0.05,
    });
    return { trainer, plan: ofGraph, parameters: known.weights };
  };
  const seen = async (): Promise<Examples> => {
    const { pixels, labels } = (await readMnist()).test;
    return {
      ...examples,
      inputs: pixels.slice(0, 40 * 784).reverse(),
      labels: Int32Array.from(labels.subarray(0, 40)).reverse(),
    };
  };

  it.each(['head', 'all'] as const)(
    '[LEA15] is trained from the weights that it has: %s',
    async (trains) => {
      const { trainer, plan: ofGraph, parameters } = await open(trains);
      // Upside down: what it has never seen.
      const own = await seen();
      const { signal } = new AbortController();
      const before = unwrap(await trainer.evaluate({ plan: ofGraph, parameters }, own));
      const { delta } = unwrap(
        await trainer.train({ plan: ofGraph, parameters, seed: 1 }, own, signal),
      );
      const trained = parameters.map((value, i) => value + (delta[i] ?? 0));
      const after = unwrap(await trainer.evaluate({ plan: ofGraph, parameters: trained }, own));
      expect(before.accuracy).toBeLessThan(0.7);
      expect(after.accuracy).toBeGreaterThan(before.accuracy + 0.2);
    },
  );

  it.each([
    ['all', /^edge\.head/],
    ['head', /^edge\.head\.3/],
  ] as const)(
    '[LEA7] may have tensors that stay on the device: %s, but for %s',
    async (trains, own) => {
      const { trainer, plan: ofGraph, parameters } = await open(trains);
      const personal = ofGraph.layout.tensors.flatMap(({ name }) => (own.test(name) ? [name] : []));
      const seenHere = await seen();
      const ask = async (type: 'train' | 'evaluate', state: ReadonlyMap<string, Uint8Array>) => {
        const message = {
          type,
          run: 'run',
          round: 1,
          attempt: 1,
          plan: { ...ofGraph, personal },
          parameters,
        };
        const held = { train: seenHere, heldOut: seenHere };
        const work = { message, examples: held, state, seed: 1 };
        const mods = { secretBytes: { fill() {} } };
        const done = await runClient(work, { trainer, mods }, new AbortController().signal);
        return unwrap(done);
      };
      const trained = await ask('train', new Map());
      assert(trained.reply.type === 'trained', 'it has trained');
      const sent = unwrap(tensorsOf(ofGraph.layout, Float32Array.from(trained.reply.delta)));
      for (const [name, values] of sent)
        expect(values.every((value) => value === 0)).toBe(personal.includes(name));
      // What came, and with what it keeps of its own.
      const without = await ask('evaluate', new Map());
      const with_ = await ask('evaluate', trained.state);
      assert(without.reply.type === 'evaluated' && with_.reply.type === 'evaluated', 'both are');
      expect(with_.reply.metrics['loss']).not.toBeCloseTo(without.reply.metrics['loss'] ?? 0, 2);
    },
  );

  it('[LEA15] of another variant, or another part of it, is not', async () => {
    const { trainer, plan: ofGraph, parameters } = await open('head');
    const { signal } = new AbortController();
    for (const other of [
      { network: { kind: 'bundle', variant: 'fp32', digest } },
      { trains: 'all' },
    ] as Partial<LearnPlan>[])
      expect(
        await trainer.train(
          { plan: { ...ofGraph, ...other }, parameters, seed: 1 },
          examples,
          signal,
        ),
      ).toMatchObject({ error: { code: 'not_found' } });
  });
});
