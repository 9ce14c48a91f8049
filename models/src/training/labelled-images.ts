// Labelled grey images and the files that hold them: IDX (http://yann.lecun.com/exdb/mnist, "file formats"), gzipped or not.

import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { assert, type Digest } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';

/** Grey images of one size, row-major, one after the other, with their labels. */
export interface LabelledImages {
  readonly height: number;
  readonly width: number;
  readonly count: number;
  readonly pixels: Uint8Array<ArrayBuffer>;
  readonly labels: Uint8Array;
}

/** Images to train on, and others to test with. */
export interface ImageSet {
  readonly train: LabelledImages;
  readonly test: LabelledImages;
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

/** The four files of an image set, each by its path. */
export async function readImageSet(
  files: ImageFiles,
  pathOf: (name: string) => string,
): Promise<ImageSet> {
  const at = ({ name, sha256 }: ImageFiles[keyof ImageFiles]): IdxFile => ({
    path: pathOf(name),
    sha256,
  });
  return {
    train: await readLabelledImages(at(files.trainImages), at(files.trainLabels)),
    test: await readLabelledImages(at(files.testImages), at(files.testLabels)),
  };
}

export type ImageFiles = Readonly<
  Record<
    'trainImages' | 'trainLabels' | 'testImages' | 'testLabels',
    { readonly name: string; readonly sha256: Digest }
  >
>;

export interface IdxFile {
  readonly path: string;
  /** Of its bytes, unpacked. */
  readonly sha256?: string;
}

/** Throws where a file cannot be read or is not an IDX file of bytes, or not the one of its digest. */
export async function readLabelledImages(
  images: IdxFile,
  labels: IdxFile,
): Promise<LabelledImages> {
  const { shape, data } = await readIdx(images);
  const ofLabels = await readIdx(labels);
  const [count = 0, height = 0, width = 0, ...more] = shape;
  assert(more.length === 0 && width > 0, `${images.path} holds no grey images`);
  assert(
    ofLabels.shape.join() === String(count),
    `${labels.path} holds ${ofLabels.shape.join('×')} labels for ${count} images`,
  );
  return { height, width, count, pixels: data, labels: ofLabels.data };
}

interface Idx {
  readonly shape: readonly number[];
  readonly data: Uint8Array<ArrayBuffer>;
}

async function readIdx({ path, sha256: expected }: IdxFile): Promise<Idx> {
  const file = await readFile(path);
  const bytes = new Uint8Array(path.endsWith('.gz') ? gunzipSync(file) : file);
  assert(
    expected === undefined || sha256(bytes) === expected,
    `${path} is not the file this recipe was made for`,
  );
  return parseIdx(bytes);
}

/** IDX: two zero bytes, the element type (8 = unsigned byte), the rank, then big-endian sizes, then the elements. */
export function parseIdx(bytes: Uint8Array<ArrayBuffer>): Idx {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  assert(
    bytes.length >= 4 && view.getUint16(0) === 0 && view.getUint8(2) === 8,
    'not an IDX file of unsigned bytes',
  );
  const rank = view.getUint8(3);
  assert(bytes.length >= 4 + 4 * rank, 'IDX file is cut off');
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const data = bytes.subarray(4 + 4 * rank);
  assert(data.length === shape.reduce((product, size) => product * size, 1), 'IDX file is cut off');
  return { shape, data };
}
