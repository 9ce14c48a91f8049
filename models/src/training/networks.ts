// Networks that a training plan names: McMahan et al.'s two, on which federated averaging was measured (arXiv 1602.05629
// §3), and the one of the bundle that ships.

import { digitsNetwork, digitsRecipe } from './digits.ts';
import { conv } from './layers/conv.ts';
import { dense } from './layers/dense.ts';
import { flatten } from './layers/flatten.ts';
import type { Layer } from './layers/layer.ts';
import { maxPool } from './layers/max-pool.ts';
import { relu } from './layers/relu.ts';
import type { Network } from './network.ts';

export interface KnownNetwork {
  readonly network: Network;
  /** What a pixel is multiplied by before the first layer. */
  readonly inputScale: number;
}

const oneExit = (trunk: readonly Layer[], classes: number): Network => ({
  input: [1, 28, 28],
  segments: [{ name: 'whole', lossWeight: 1, trunk, head: [dense(classes)], neck: [] }],
});

export const knownNetworks = {
  /** Two hidden layers of 200: 199 210 weights. */
  '2nn': {
    network: oneExit([flatten(), dense(200), relu(), dense(200), relu()], 10),
    inputScale: 1 / 255,
  },
  /**
   * Two 5×5 convolutions and a layer of 512: 1 663 370 weights. ReLU stands behind the pooling, where it is the same
   * function of a quarter of the values.
   */
  cnn: {
    network: oneExit(
      [
        conv({ channels: 32, kernel: 5, padding: 2 }),
        maxPool(2),
        relu(),
        conv({ channels: 64, kernel: 5, padding: 2 }),
        maxPool(2),
        relu(),
        flatten(),
        dense(512),
        relu(),
      ],
      10,
    ),
    inputScale: 1 / 255,
  },
  digits: { network: digitsNetwork, inputScale: digitsRecipe.pixelScale },
} as const satisfies Readonly<Record<string, KnownNetwork>>;

export type NetworkName = keyof typeof knownNetworks;
