// A bundle whose one edge stage takes about as long as it is told to, on this machine: convolutions in a row, as many
// as fit the time. Every request exits at its only exit.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Manifest, Runtime, Tensor } from '@skerry/models';
import { variantDigest } from '@skerry/models/node';
import { createGraphBuilder, encodeModel } from '@skerry/models/onnx';
import { assert, createRandom } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { imageBytes, imageShape, imageTensor } from './image.ts';
import { median } from './statistics.ts';

const channels = 64;
const classes = 10;
const probeLayers = 4;
const probeRuns = 7;

/** Writes a bundle into `folder` that runs for about `targetMs`. */
export async function writeTimedBundle(
  folder: string,
  name: string,
  targetMs: number,
  runtime: Runtime,
): Promise<void> {
  const layerMs = (await timeStage(stageOf(probeLayers), runtime)) / probeLayers;
  await writeBundle(folder, name, stageOf(Math.max(1, Math.round(targetMs / layerMs))));
}

async function timeStage(stage: Uint8Array, runtime: Runtime): Promise<number> {
  const session = await runtime.load(stage);
  assert(session.ok, 'the probe loads');
  const timesMs: number[] = [];
  for (let run = 0; run < probeRuns; run++) {
    const startedMs = performance.now();
    const ran = await session.value.run({ image: imageTensor(new Uint8Array(imageBytes)) });
    assert(ran.ok, 'the probe runs');
    timesMs.push(performance.now() - startedMs);
  }
  await session.value.close();
  return median(timesMs);
}

/** All layers share one kernel, which keeps the file small; tanh keeps the values from growing or dying out. */
function stageOf(layers: number): Uint8Array {
  const graph = createGraphBuilder('timed');
  const random = createRandom(1);
  const weights = (...shape: number[]): string => {
    const count = shape.reduce((product, size) => product * size, 1);
    const data = Float32Array.from({ length: count }, () => random.next() - 0.5);
    return graph.constant({ datatype: 'FP32', shape, data } satisfies Tensor);
  };
  const convolve = (value: string, kernel: string): string =>
    graph.add('Tanh', [graph.add('Conv', [value, kernel], { pads: [1, 1, 1, 1] })]);
  const image = graph.add('Cast', [graph.input('image', 'UINT8', [-1, ...imageShape.slice(1)])], {
    to: 1,
  });
  let value = convolve(image, weights(channels, 1, 3, 3));
  const kernel = weights(channels, channels, 3, 3);
  for (let layer = 0; layer < layers; layer++) value = convolve(value, kernel);
  const pooled = graph.add('Flatten', [graph.add('GlobalAveragePool', [value])]);
  graph.add('MatMul', [pooled, weights(channels, classes)], {}, 'logits');
  graph.output('logits', 'FP32', [-1, classes]);
  return encodeModel(graph.build());
}

async function writeBundle(folder: string, name: string, stage: Uint8Array): Promise<void> {
  const image = { name: 'image', datatype: 'UINT8' as const, shape: [-1, ...imageShape.slice(1)] };
  const logits = { name: 'logits', datatype: 'FP32' as const, shape: [-1, classes] };
  const stages: Manifest['stages'] = [
    { name: 'edge', side: 'edge', inputs: [image], outputs: [logits] },
  ];
  const file = { path: 'edge.onnx', bytes: stage.byteLength, sha256: sha256(stage) };
  const digest = variantDigest(stages, { edge: file });
  const always = { exit: 1, temperature: 1, threshold: 0, method: 'none', epsilon: 1 } as const;
  const manifest: Manifest = {
    schema: 'skerry.bundle/1',
    name,
    version: '1.0.0',
    task: 'image-classification',
    inputs: [image],
    labels: Array.from({ length: classes }, (_, label) => String(label)),
    stages,
    exits: [{ index: 1, stage: 'edge', logits: 'logits' }],
    variants: [
      {
        name: 'fp32',
        digest,
        files: { edge: file },
        calibration: { variant: digest, exits: [{ ...always, delta: 0, n: 0 }] },
      },
    ],
    golden: [],
    lineage: { recipe: 'npm run bench', seed: 1, data: [] },
    licence: 'Apache-2.0',
    card: {
      summary: 'Takes time.',
      intendedUse: 'Benchmarks.',
      limitations: 'Knows nothing.',
      metrics: {},
    },
  };
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'edge.onnx'), stage);
  await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest));
}
