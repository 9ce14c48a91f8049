// What virtual clients train: the two networks of McMahan et al., the logistic regression of FedProx, and one for tests.

import { dense, knownNetworks, type Network, type Trainer } from '@skerry/models/training';
import { createRandom, type Random } from '@skerry/shared';
import { syntheticClasses, syntheticInputs } from './synthetic.ts';

const oneExit = (input: Network['input'], classes: number): Network => ({
  input,
  segments: [{ name: 'whole', lossWeight: 1, trunk: [], head: [dense(classes)], neck: [] }],
});

export const learnNetworks = {
  '2nn': knownNetworks['2nn'].network,
  cnn: knownNetworks.cnn.network,
  logistic: oneExit([syntheticInputs], syntheticClasses),
} as const satisfies Readonly<Record<string, Network>>;

export type LearnNetwork = keyof typeof learnNetworks;

/** Glorot & Bengio (AISTATS 2010): uniform, by fan-in and fan-out; biases are 0. */
export function drawInitial(
  { tensors }: Trainer['layout'],
  random: Random = createRandom(0),
): Float32Array<ArrayBuffer> {
  return Float32Array.from(
    tensors.flatMap(({ shape }) => {
      const [a = 1, b = 1, ...kernel] = shape;
      const field = kernel.reduce((product, size) => product * size, 1);
      const limit = shape.length < 2 ? 0 : Math.sqrt(6 / ((a + b) * field));
      const count = a * (shape.length < 2 ? 1 : b) * field;
      return Array.from({ length: count }, () => limit * (2 * random.next() - 1));
    }),
  );
}
