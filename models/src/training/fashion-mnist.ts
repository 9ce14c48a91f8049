// The Fashion-MNIST images (arXiv 1708.07747) of Debian's package dataset-fashion-mnist: for measuring, never needed to run.

import { join } from 'node:path';
import { type ImageFiles, type ImageSet, readImageSet } from './labelled-images.ts';

const folder = '/usr/share/datasets/fashion-mnist';

export const fashionFiles = {
  trainImages: {
    name: 'train-images-idx3-ubyte',
    sha256: 'sha256:c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
  },
  trainLabels: {
    name: 'train-labels-idx1-ubyte',
    sha256: 'sha256:bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
  },
  testImages: {
    name: 't10k-images-idx3-ubyte',
    sha256: 'sha256:5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
  },
  testLabels: {
    name: 't10k-labels-idx1-ubyte',
    sha256: 'sha256:0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34',
  },
} as const satisfies ImageFiles;

/** Throws where the package is not installed or its files are not the expected ones. */
export const readFashionMnist = (): Promise<ImageSet> =>
  readImageSet(fashionFiles, (name) => join(folder, `${name}.gz`));
