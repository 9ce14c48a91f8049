// Labelled examples as all worker threads see them: one copy, in shared memory.

import type { Examples as ClientExamples } from '@skerry/edge-agent/learn';
import { type LabelledImages, readMnist, selectImages } from '@skerry/models/training';
import { createRandom, shuffle } from '@skerry/shared';
import { tilted } from '../learn-demo/tilted-digits.ts';

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
export async function readDigits(
  { count, isAskew = false }: { readonly count?: number; readonly isAskew?: boolean } = {},
  seed = 0,
): Promise<ExampleSet> {
  const { train, test } = await readMnist();
  const drawn =
    count === undefined ? train : selectImages(train, drawOrder(train, seed).subarray(0, count));
  const seen = (images: LabelledImages) => fromImages(isAskew ? tilted(images) : images);
  return { train: seen(drawn), test: seen(test) };
}

const uprightCount = 10_000;

/** Others than those that `readDigits` draws with this seed, as long as those are few. */
export async function readUprightDigits(seed: number): Promise<ClientExamples> {
  const { train } = await readMnist();
  const { pixels, labels } = selectImages(train, drawOrder(train, seed).subarray(-uprightCount));
  const shape = [1, train.height, train.width];
  return { datatype: 'UINT8', shape, inputs: pixels, labels: Int32Array.from(labels) };
}

const drawOrder = ({ count }: LabelledImages, seed: number): Uint32Array =>
  shuffle(
    Uint32Array.from({ length: count }, (_, i) => i),
    createRandom(seed),
  );

const fromImages = ({ height, width, pixels, labels }: LabelledImages): Examples =>
  shareExamples([1, height, width], pixels, labels);
