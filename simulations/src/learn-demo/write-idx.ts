// Labelled images as the two files that an operator has: IDX, as MNIST itself comes.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LabelledImages } from '@skerry/models/training';

const unsignedBytes = 8;

export interface IdxFiles {
  readonly images: string;
  readonly labels: string;
}

export async function writeIdx(
  folder: string,
  { count, height, width, pixels, labels }: LabelledImages,
): Promise<IdxFiles> {
  const files = {
    images: join(folder, 'held-out-images.idx'),
    labels: join(folder, 'held-out-labels.idx'),
  };
  await writeFile(files.images, idx([count, height, width], pixels));
  await writeFile(files.labels, idx([count], labels));
  return files;
}

function idx(shape: readonly number[], data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + 4 * shape.length + data.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0, 0, unsignedBytes, shape.length]);
  for (const [axis, size] of shape.entries()) view.setUint32(4 + 4 * axis, size);
  bytes.set(data, 4 + 4 * shape.length);
  return bytes;
}
