// What the manifest of an image model says about it: stages, exits, lineage, model card.

import { defined } from '@skerry/shared';
import type { Manifest, Stage } from '../bundle/manifest.ts';
import { stageNames } from './export-stages.ts';
import type { ImageModel } from './image-model.ts';
import type { Measurement } from './measure.ts';
import { chainsOf, macsOf, type SegmentChains } from './network.ts';

const imageSpec = ({ network }: ImageModel) => ({
  name: stageNames.image,
  datatype: 'UINT8' as const,
  shape: [-1, ...network.input],
});

const segmentsOf = ({ network }: ImageModel) => {
  const [edge, cloud] = chainsOf(network);
  return { edge: defined(edge, 'edge segment'), cloud: defined(cloud, 'cloud segment') };
};

export const imageExits: Manifest['exits'] = [
  { index: 1, stage: 'edge', logits: stageNames.logits },
  { index: 2, stage: 'cloud', logits: stageNames.logits },
];

export function stagesOf(model: ImageModel): Stage[] {
  const { edge } = segmentsOf(model);
  const logits = {
    name: stageNames.logits,
    datatype: 'FP32' as const,
    shape: [-1, model.labels.length],
  };
  const cut = {
    name: stageNames.cut,
    datatype: 'UINT8' as const,
    shape: [-1, ...edge.neck.output],
  };
  return [
    {
      name: 'edge',
      side: 'edge',
      inputs: [imageSpec(model)],
      outputs: [logits, cut],
      cut: stageNames.cut,
    },
    { name: 'cloud', side: 'cloud', inputs: [cut], outputs: [logits] },
  ];
}

/** The manifest but for what depends on a variant's bytes. */
export function describeModel(
  model: ImageModel,
  run: { readonly seed: number; readonly epochs: number },
  measurement: Measurement,
): Omit<Manifest, 'variants' | 'golden'> {
  const { name, labels, data, card } = model;
  return {
    schema: 'skerry.bundle/1',
    name,
    version: '1.0.0',
    task: 'image-classification',
    inputs: [imageSpec(model)],
    labels: [...labels],
    stages: stagesOf(model),
    exits: imageExits,
    lineage: {
      recipe: `npm run train -- ${name} --seed ${run.seed} --epochs ${run.epochs} --out models/zoo/${name}`,
      seed: run.seed,
      data,
    },
    licence: 'Apache-2.0',
    card: { ...card, metrics: { ...measurement, ...computeMetrics(model) } },
  };
}

function computeMetrics(model: ImageModel) {
  const { edge, cloud } = segmentsOf(model);
  const macs = ({ trunk, head, neck }: SegmentChains): number =>
    macsOf(trunk) + macsOf(head) + macsOf(neck);
  return { macsAtEdge: macs(edge), macsWhole: macs(edge) + macs(cloud) };
}
