// A model of 28×28 images that this repository trains: all that differs from one to the next.

import type { Manifest } from '../bundle/manifest.ts';
import type { RiskBound } from '../calibration/choose-threshold.ts';
import type { ImageSet } from './labelled-images.ts';
import type { Network } from './network.ts';
import type { Recipe } from './train-network.ts';

export interface ImageModel {
  readonly name: string;
  readonly labels: readonly string[];
  /** Two segments: `edge` and `cloud`. */
  readonly network: Network;
  readonly recipe: Recipe;
  /** P(risk ≤ ε) ≥ 1 − δ, where risk = P(answered at the edge and wrong). */
  readonly edgeRiskBound: RiskBound;
  readonly data: Manifest['lineage']['data'];
  readonly card: Pick<Manifest['card'], 'summary' | 'intendedUse' | 'limitations'>;
  /** Throws where the images are not installed, or are not those of `data`. */
  readImages(): Promise<ImageSet>;
}
