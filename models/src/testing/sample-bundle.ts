// A real two-stage bundle whose answers a test chooses: of four bytes, the first two are the edge exit's logits times
// sixteen, the last two travel as the cut and are the cloud's.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256 } from '@skerry/shared/node';
import type { Manifest } from '../bundle/manifest.ts';
import { variantDigest } from '../node/variant-digest.ts';
import { createGraphBuilder, encodeModel } from '../onnx/index.ts';

const scale = { datatype: 'FP32', shape: [1], data: Float32Array.of(16) } as const;
const indices = (...at: number[]) =>
  ({ datatype: 'INT64', shape: [at.length], data: BigInt64Array.from(at.map(BigInt)) }) as const;

function edgeStage(): Uint8Array {
  const graph = createGraphBuilder('sample-edge');
  const bytes = graph.add('Flatten', [graph.input('image', 'UINT8', [-1, 1, 2, 2])], { axis: 1 });
  const half = (from: number) =>
    graph.add('Gather', [bytes, graph.constant(indices(from, from + 1))], { axis: 1 });
  const logits = graph.add('Cast', [half(0)], { to: 1 });
  graph.output(graph.add('Div', [logits, graph.constant(scale)], {}, 'logits'), 'FP32', [-1, 2]);
  graph.output(graph.add('Identity', [half(2)], {}, 'cut'), 'UINT8', [-1, 2]);
  return encodeModel(graph.build());
}

function cloudStage(): Uint8Array {
  const graph = createGraphBuilder('sample-cloud');
  const cut = graph.add('Cast', [graph.input('cut', 'UINT8', [-1, 2])], { to: 1 });
  graph.output(graph.add('Div', [cut, graph.constant(scale)], {}, 'logits'), 'FP32', [-1, 2]);
  return encodeModel(graph.build());
}

/** Writes the bundle into `folder` (created) and returns its manifest. Exit 1 is trusted from confidence 0.9 on. */
export async function writeSampleBundle(folder: string): Promise<Manifest> {
  await mkdir(folder, { recursive: true });
  const write = async (path: string, bytes: Uint8Array) => {
    await writeFile(join(folder, path), bytes);
    return { path, bytes: bytes.byteLength, sha256: sha256(bytes) };
  };
  const files = {
    edge: await write('edge.onnx', edgeStage()),
    cloud: await write('cloud.onnx', cloudStage()),
  };
  const image = { name: 'image', datatype: 'UINT8', shape: [-1, 1, 2, 2] } as const;
  const logits = { name: 'logits', datatype: 'FP32', shape: [-1, 2] } as const;
  const cut = { name: 'cut', datatype: 'UINT8', shape: [-1, 2] } as const;
  const stages: Manifest['stages'] = [
    {
      name: 'edge',
      side: 'edge',
      inputs: [{ ...image, shape: [...image.shape] }],
      outputs: [
        { ...logits, shape: [-1, 2] },
        { ...cut, shape: [-1, 2] },
      ],
      cut: 'cut',
    },
    {
      name: 'cloud',
      side: 'cloud',
      inputs: [{ ...cut, shape: [-1, 2] }],
      outputs: [{ ...logits, shape: [-1, 2] }],
    },
  ];
  const digest = variantDigest(stages, files);
  const statement = { epsilon: 0.1, delta: 0.1, n: 100 };
  const manifest: Manifest = {
    schema: 'skerry.bundle/1',
    name: 'sample',
    version: '1.0.0',
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
      { input: [32, 0, 0, 16], label: 1, logits: { 1: [2, 0], 2: [0, 1] }, tolerance: 1e-6 },
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
