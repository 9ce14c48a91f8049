// Synthetic(α, β) of Li et al. (arXiv 1812.06127, §5.1): each device has a logistic model and inputs of its own. α says how
// unlike the models are, β how unlike the inputs; sizes follow a power law.

import { createRandom, type Random } from '@skerry/shared';
import { type Examples, shareExamples } from './examples.ts';
import type { Partition } from './partition.ts';

export interface SyntheticOptions {
  readonly alpha: number;
  readonly beta: number;
  readonly clients: number;
}

export const syntheticInputs = 60;
export const syntheticClasses = 10;
const trainShare = 0.9;
/** Of one device: the power law's tail is long, and one that holds half of all examples would be the federation. */
const examplesMax = 5_000;
const examplesMin = 50;

export interface Federated {
  readonly train: Examples;
  readonly test: Examples;
  readonly partition: Partition;
}

export function drawSynthetic(options: SyntheticOptions, seed: number): Federated {
  const random = createRandom(seed);
  const train = createCollector();
  const test = createCollector();
  const partition = Array.from({ length: options.clients }, () => {
    const device = drawDevice(options, random);
    const count = Math.min(
      examplesMax,
      examplesMin + Math.floor(Math.exp(4 + 2 * random.gaussian())),
    );
    const own: number[] = [];
    const trained = Math.floor(count * trainShare);
    for (let i = 0; i < count; i++) {
      const example = device();
      if (i < trained) own.push(train.add(example));
      else test.add(example);
    }
    return Uint32Array.from(own);
  });
  return { train: train.examples(), test: test.examples(), partition };
}

interface Example {
  readonly input: Float64Array;
  readonly label: number;
}

function drawDevice({ alpha, beta }: SyntheticOptions, random: Random): () => Example {
  const modelMean = Math.sqrt(alpha) * random.gaussian();
  const inputMean = Math.sqrt(beta) * random.gaussian();
  const around = (mean: number) => () => mean + random.gaussian();
  const weights = Float64Array.from(
    { length: syntheticInputs * syntheticClasses },
    around(modelMean),
  );
  const biases = Float64Array.from({ length: syntheticClasses }, around(modelMean));
  const means = Float64Array.from({ length: syntheticInputs }, around(inputMean));
  return () => {
    const input = means.map((mean, j) => mean + (j + 1) ** -0.6 * random.gaussian());
    return { input, label: argmaxOf(input, weights, biases) };
  };
}

function argmaxOf(input: Float64Array, weights: Float64Array, biases: Float64Array): number {
  let label = 0;
  let best = -Infinity;
  for (let k = 0; k < syntheticClasses; k++) {
    let logit = biases[k] as number;
    for (let j = 0; j < syntheticInputs; j++)
      logit += (input[j] as number) * (weights[j * syntheticClasses + k] as number);
    if (logit > best) {
      best = logit;
      label = k;
    }
  }
  return label;
}

function createCollector() {
  const inputs: number[] = [];
  const labels: number[] = [];
  return {
    add({ input, label }: Example): number {
      inputs.push(...input);
      return labels.push(label) - 1;
    },
    examples: (): Examples => shareExamples([syntheticInputs], inputs, labels),
  };
}
