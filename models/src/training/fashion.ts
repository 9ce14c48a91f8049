// The model `fashion`: two exits on Fashion-MNIST, where an edge exit errs far more often than on digits. It is small enough
// to train in minutes, since it is for measuring: the zoo does not ship it.

import { fashionFiles, readFashionMnist } from './fashion-mnist.ts';
import type { ImageModel } from './image-model.ts';
import { conv } from './layers/conv.ts';
import { dense } from './layers/dense.ts';
import { flatten } from './layers/flatten.ts';
import { maxPool } from './layers/max-pool.ts';
import { relu } from './layers/relu.ts';

export const fashion: ImageModel = {
  name: 'fashion',
  labels: [
    'T-shirt',
    'trousers',
    'pullover',
    'dress',
    'coat',
    'sandal',
    'shirt',
    'sneaker',
    'bag',
    'ankle boot',
  ],
  network: {
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
        head: [flatten(), dense(10)],
        neck: [conv({ channels: 8, kernel: 1 }), relu()],
      },
      {
        name: 'cloud',
        lossWeight: 1,
        trunk: [
          conv({ channels: 64, kernel: 3, padding: 1 }),
          relu(),
          conv({ channels: 64, kernel: 3, padding: 1 }),
          relu(),
          maxPool(2),
        ],
        head: [flatten(), dense(128), relu(), dense(10)],
        neck: [],
      },
    ],
  },
  recipe: {
    epochs: 8,
    batch: 64,
    momentum: 0.9,
    weightDecay: 1e-4,
    learningRateMax: 0.04,
    warmupSteps: 400,
    pixelScale: 1 / 127.5,
    warp: {
      rotationRadiansMax: 0.05,
      scaleMax: 0.05,
      shearMax: 0.05,
      shiftPixelsMax: 1,
      elasticPixels: 0.2,
    },
  },
  edgeRiskBound: { epsilon: 0.05, delta: 0.1 },
  data: Object.values(fashionFiles).map(({ name, sha256 }) => ({
    name: `dataset-fashion-mnist/${name}`,
    sha256,
  })),
  card: {
    summary: 'A small two-exit network: a light edge stage, and a cloud stage that takes its cut.',
    intendedUse: 'Measuring: 28×28 grey images of clothes, as in Fashion-MNIST.',
    limitations: 'Trained for minutes, not for accuracy.',
  },
  readImages: readFashionMnist,
};
