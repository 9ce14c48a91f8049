// A real two-stage bundle whose answers a test chooses: of the image's bytes, four where nothing else is said, the first
// two are the edge exit's logits times sixteen; the rest travels as the cut, whose last two are the cloud's.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256 } from '@skerry/shared/node';
import type { Manifest } from '../bundle/manifest.ts';
import { variantDigest } from '../node/variant-digest.ts';
import { createGraphBuilder, encodeModel } from '../onnx/index.ts';

const indices = (...at: number[]) =>
  ({ datatype: 'INT64', shape: [at.length], data: BigInt64Array.from(at.map(BigInt)) }) as const;
const logitsBytes = 2;

type Graph = ReturnType<typeof createGraphBuilder>;

/** Columns from `from` up to `to` of [−1, n]. */
const slice = (graph: Graph, bytes: string, from: number, to: number): string =>
  graph.add('Slice', [bytes, ...[from, to, 1].map((at) => graph.constant(indices(at)))]);

function outputLogits(graph: Graph, bytes: string, by: number): void {
  const logits = graph.add('Cast', [bytes], { to: 1 });
  const scale = { datatype: 'FP32', shape: [1], data: Float32Array.of(by) } as const;
  graph.output(graph.add('Div', [logits, graph.constant(scale)], {}, 'logits'), 'FP32', [-1, 2]);
}

function edgeStage(imageBytes: number, scale: number): Uint8Array {
  const graph = createGraphBuilder('sample-edge');
  const image = graph.input('image', 'UINT8', [-1, 1, 2, imageBytes / 2]);
  const bytes = graph.add('Flatten', [image], { axis: 1 });
  outputLogits(graph, slice(graph, bytes, 0, logitsBytes), scale);
  const cut = graph.add('Identity', [slice(graph, bytes, logitsBytes, imageBytes)], {}, 'cut');
  graph.output(cut, 'UINT8', [-1, imageBytes - logitsBytes]);
  return encodeModel(graph.build());
}

function cloudStage(cutBytes: number, scale: number): Uint8Array {
  const graph = createGraphBuilder('sample-cloud');
  const cut = graph.input('cut', 'UINT8', [-1, cutBytes]);
  outputLogits(graph, slice(graph, cut, cutBytes - logitsBytes, cutBytes), scale);
  return encodeModel(graph.build());
}

/**
 * Writes the bundle into `folder` (created) and returns its manifest. Exit 1 is trusted from confidence 0.9 on. An image
 * has `imageBytes`, an even number, in two rows. `scale` divides the logits: a version with another is another model, and
 * one below 0 says the opposite.
 */
export async function writeSampleBundle(
  folder: string,
  imageBytes = 4,
  { version = '1.0.0', scale = 16 }: { readonly version?: string; readonly scale?: number } = {},
): Promise<Manifest> {
  const cutBytes = imageBytes - logitsBytes;
  await mkdir(folder, { recursive: true });
  const write = async (path: string, bytes: Uint8Array) => {
    await writeFile(join(folder, path), bytes);
    return { path, bytes: bytes.byteLength, sha256: sha256(bytes) };
  };
  const files = {
    edge: await write('edge.onnx', edgeStage(imageBytes, scale)),
    cloud: await write('cloud.onnx', cloudStage(cutBytes, scale)),
  };
  const image = { name: 'image', datatype: 'UINT8', shape: [-1, 1, 2, imageBytes / 2] } as const;
  const logits = { name: 'logits', datatype: 'FP32', shape: [-1, 2] } as const;
  const cut = { name: 'cut', datatype: 'UINT8', shape: [-1, cutBytes] } as const;
  const stages: Manifest['stages'] = [
    {
      name: 'edge',
      side: 'edge',
      inputs: [{ ...image, shape: [...image.shape] }],
      outputs: [
        { ...logits, shape: [-1, 2] },
        { ...cut, shape: [...cut.shape] },
      ],
      cut: 'cut',
    },
    {
      name: 'cloud',
      side: 'cloud',
      inputs: [{ ...cut, shape: [...cut.shape] }],
      outputs: [{ ...logits, shape: [-1, 2] }],
    },
  ];
  const digest = variantDigest(stages, files);
  const statement = { epsilon: 0.1, delta: 0.1, n: 100 };
  const manifest: Manifest = {
    schema: 'skerry.bundle/1',
    name: 'sample',
    version,
    task: 'image-classification',
    inputs: [{ ...image, shape: [...image.shape] }],
    labels: ['left', 'right'],
    stages,
    exits: [
      { index: 1, stage: 'edge', logits: 'logits' },
      { index: 2, stage: 'cloud', logits: 'logits' },
    ],
    variants: [
      {
        name: 'fp32',
        digest,
        files,
        calibration: {
          variant: digest,
          exits: [
            { exit: 1, temperature: 1, threshold: 0.9, method: 'learn-then-test', ...statement },
            { exit: 2, temperature: 1, threshold: 0, method: 'none', ...statement },
          ],
        },
      },
    ],
    golden: [
      {
        input: [32, ...new Array<number>(imageBytes - 2).fill(0), 16],
        label: scale < 0 ? 0 : 1,
        logits: { 1: [32 / scale, 0], 2: [0, 16 / scale] },
        tolerance: 1e-6,
      },
    ],
    lineage: { recipe: 'models/src/testing/sample-bundle.ts', seed: 0, data: [] },
    licence: 'Apache-2.0',
    card: {
      summary: 'For tests.',
      intendedUse: 'Tests.',
      limitations: 'Knows nothing.',
      metrics: {},
    },
  };
  await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest));
  return manifest;
}
