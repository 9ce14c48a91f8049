// Labelled examples as all worker threads see them: one copy, in shared memory.

import { type LabelledImages, readMnist, selectImages } from '@skerry/models/training';
import { createRandom, shuffle } from '@skerry/shared';

type SharedInputs = Float32Array<SharedArrayBuffer> | Uint8Array<SharedArrayBuffer>;

export interface Examples {
  /** Of one example, without the batch. */
  readonly shape: readonly number[];
  /** Row-major, one after the other; bytes are scaled by whoever trains. */
  readonly inputs: SharedInputs;
  readonly labels: Uint8Array<SharedArrayBuffer>;
}

export interface ExampleSet {
  readonly train: Examples;
  readonly test: Examples;
}

export const countOf = ({ labels }: Examples): number => labels.length;

/** Copies into shared memory; bytes stay bytes. */
export function shareExamples(
  shape: readonly number[],
  inputs: Uint8Array | readonly number[],
  labels: ArrayLike<number>,
): Examples {
  const shared: SharedInputs =
    inputs instanceof Uint8Array
      ? new Uint8Array(new SharedArrayBuffer(inputs.length))
      : new Float32Array(new SharedArrayBuffer(inputs.length * 4));
  shared.set(inputs);
  const sharedLabels = new Uint8Array(new SharedArrayBuffer(labels.length));
  sharedLabels.set(labels);
  return { shape, inputs: shared, labels: sharedLabels };
}

/** MNIST; of the 60 000 to train on those `count` that `seed` draws, or all, in the order of the files. */
export async function readDigits(count?: number, seed = 0): Promise<ExampleSet> {
  const { train, test } = await readMnist();
  if (count === undefined) return { train: fromImages(train), test: fromImages(test) };
  const order = Uint32Array.from({ length: train.count }, (_, i) => i);
  const drawn = shuffle(order, createRandom(seed)).subarray(0, count);
  return { train: fromImages(selectImages(train, drawn)), test: fromImages(test) };
}

const fromImages = ({ height, width, pixels, labels }: LabelledImages): Examples =>
  shareExamples([1, height, width], pixels, labels);
