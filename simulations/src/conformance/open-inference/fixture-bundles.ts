// The models that the kit asks, as bundles that a server of ours takes by `--bundles`.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Datatype, Manifest, TensorSpec } from '@skerry/models';
import { variantDigest } from '@skerry/models/node';
import { createGraphBuilder, encodeModel, type GraphBuilder } from '@skerry/models/onnx';
import { createRandom } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { type ModelNames, modelNames } from './case.ts';

interface Fixture {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  build(graph: GraphBuilder): void;
}

const spec = (name: string, datatype: Datatype, shape: readonly number[]): TensorSpec => ({
  name,
  datatype,
  shape,
});

/** A graph whose inputs and outputs are declared, and whose nodes `build` adds. */
function stageOf({ inputs, outputs, build }: Fixture): Uint8Array {
  const graph = createGraphBuilder('fixture');
  for (const { name, datatype, shape } of inputs) graph.input(name, datatype, shape);
  build(graph);
  for (const { name, datatype, shape } of outputs) graph.output(name, datatype, shape);
  return encodeModel(graph.build());
}

const simple: Fixture = {
  inputs: [spec('INPUT0', 'INT32', [1, 16]), spec('INPUT1', 'INT32', [1, 16])],
  outputs: [spec('OUTPUT0', 'INT32', [1, 16]), spec('OUTPUT1', 'INT32', [1, 16])],
  build(graph) {
    graph.add('Add', ['INPUT0', 'INPUT1'], {}, 'OUTPUT0');
    graph.add('Sub', ['INPUT0', 'INPUT1'], {}, 'OUTPUT1');
  },
};

const identity = (datatype: Datatype, shape: readonly number[]): Fixture => ({
  inputs: [spec('INPUT0', datatype, shape)],
  outputs: [spec('OUTPUT0', datatype, shape)],
  build: (graph) => void graph.add('Identity', ['INPUT0'], {}, 'OUTPUT0'),
});

const slowSize = 384;
const slowLayers = 24;

/** Some hundred milliseconds: products of a matrix that depend on the input, so that nothing can be computed ahead. */
const slow: Fixture = {
  inputs: [spec('INPUT0', 'FP32', [1])],
  outputs: [spec('OUTPUT0', 'FP32', [1])],
  build(graph) {
    const random = createRandom(1);
    const data = Float32Array.from({ length: slowSize ** 2 }, () => random.next() / slowSize);
    const matrix = graph.constant({ datatype: 'FP32', shape: [slowSize, slowSize], data });
    let value = graph.add('Add', [matrix, 'INPUT0']);
    for (let layer = 0; layer < slowLayers; layer++)
      value = graph.add('Tanh', [graph.add('MatMul', [value, matrix])]);
    const all = graph.add('ReduceMean', [value], { keepdims: 0 });
    const one = { datatype: 'INT64', shape: [1], data: BigInt64Array.of(1n) } as const;
    graph.add('Reshape', [all, graph.constant(one)], {}, 'OUTPUT0');
  },
};

const fixtures: { readonly [K in keyof ModelNames]: Fixture } = {
  simple,
  identityFp32: identity('FP32', [-1, -1]),
  identityFp32Wide: identity('FP32', [-1, -1, -1]),
  identityFp16: identity('FP16', [-1]),
  identityInt64: identity('INT64', [-1]),
  identityBytes: identity('BYTES', [-1]),
  slow,
};

/** Writes every bundle into a folder of its own inside `parent`, and returns the folders. */
export async function writeFixtureBundles(parent: string): Promise<string[]> {
  const folders: string[] = [];
  for (const [key, fixture] of Object.entries(fixtures)) {
    const name = modelNames[key as keyof ModelNames];
    const folder = join(parent, name);
    await writeTensorBundle(folder, name, fixture);
    folders.push(folder);
  }
  return folders;
}

async function writeTensorBundle(folder: string, name: string, fixture: Fixture): Promise<void> {
  const bytes = stageOf(fixture);
  const file = { path: 'graph.onnx', bytes: bytes.byteLength, sha256: sha256(bytes) };
  const tensors = (specs: readonly TensorSpec[]) =>
    specs.map((tensor) => ({ ...tensor, shape: [...tensor.shape] }));
  const [inputs, outputs] = [tensors(fixture.inputs), tensors(fixture.outputs)];
  const stages: Manifest['stages'] = [{ name: 'graph', side: 'edge', inputs, outputs }];
  const digest = variantDigest(stages, { graph: file });
  const manifest: Manifest = {
    schema: 'skerry.bundle/1',
    name,
    version: '1.0.0',
    task: 'tensor',
    inputs,
    labels: [],
    stages,
    exits: [],
    variants: [
      { name: 'fp32', digest, files: { graph: file }, calibration: { variant: digest, exits: [] } },
    ],
    golden: [],
    lineage: { recipe: 'npm run conformance', seed: 1, data: [] },
    licence: 'Apache-2.0',
    card: {
      summary: 'A model of the conformance kit.',
      intendedUse: 'Conformance tests.',
      limitations: 'Knows nothing.',
      metrics: {},
    },
  };
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'graph.onnx'), bytes);
  await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest));
}
