import { createRandom, defined } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import { expect, it, onTestFinished } from 'vitest';
import { contractNetwork } from '../testing/trainer-contract.ts';
import { sizeOf } from './layers/layer.ts';
import { parametersOf } from './network.ts';
import { headOf } from './network-head.ts';
import { trainableOf } from './network-trainable.ts';
import { createOnnxTrainer } from './onnx-trainer.ts';
import { layoutOf, tensorsOf, vectorOf } from './trainable.ts';
import { drawWeights } from './weights.ts';

it('a head alone has the gradient that it has in its network, on bytes too', async () => {
  const random = createRandom(2);
  const weights = drawWeights(parametersOf(contractNetwork), random);
  const whole = trainableOf(contractNetwork);
  const { trainable, frozen } = headOf(contractNetwork, weights);
  const trainers = [createOnnxTrainer(whole), createOnnxTrainer(trainable, {}, frozen)] as const;
  onTestFinished(async () => {
    for (const trainer of trainers) await trainer.close();
  });
  const examples = {
    input: {
      datatype: 'UINT8',
      shape: [5, ...contractNetwork.input],
      data: Uint8Array.from({ length: 5 * sizeOf(contractNetwork.input) }, () => random.below(256)),
    },
    labels: [0, 1, 2, 3, 0],
  } as const;
  const inNetwork = unwrap(
    await trainers[0].gradient(vectorOf(layoutOf(whole), weights), examples),
  );
  const alone = unwrap(
    await trainers[1].gradient(vectorOf(layoutOf(trainable), weights), examples),
  );
  const expected = tensorsOf(layoutOf(whole), inNetwork.gradient);
  const lossWeight = defined(whole.exits.at(-1), 'an exit').lossWeight;
  expect(trainable.parameters.length).toBe(4);
  for (const [name, gradient] of tensorsOf(layoutOf(trainable), alone.gradient))
    for (const [i, g] of gradient.entries())
      expect(g * lossWeight).toBeCloseTo(expected.get(name)?.[i] as number, 5);
});
