import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ok } from '@skerry/shared';
import { describe, expect, it, onTestFinished } from 'vitest';
import { checkManifest } from '../bundle/check-manifest.ts';
import type { CalibrationExamples, Examples } from '../bundle/run-stages.ts';
import { readBundle } from '../node/read-bundle.ts';
import { rewriteGraph } from '../onnx/graph-rewriter.ts';
import type { ModelProto } from '../onnx/model-proto.ts';
import { createOnnxDirectRuntime } from '../runtime/onnx-direct.ts';
import { writeSampleBundle } from '../testing/sample-bundle.ts';
import { writeBundle } from '../training/write-bundle.ts';
import { quantizeBundle } from './quantize-bundle.ts';
import type { Quantized } from './quantize-static.ts';

/** Each image says its class twice: at the edge exit, and in the cut. */
function examples(count: number): Examples {
  const rows = Array.from({ length: count }, (_, i) =>
    i % 2 === 0 ? [64, 0, 64, 0] : [0, 64, 0, 64],
  );
  return {
    input: { datatype: 'UINT8', shape: [count, 1, 2, 2], data: Uint8Array.from(rows.flat()) },
    labels: rows.map((row) => (row[0] === 0 ? 1 : 0)),
  };
}
const data: CalibrationExamples = {
  tuning: examples(20),
  proving: examples(100),
  test: examples(40),
};

async function quantizeSample(change: (model: ModelProto) => ModelProto, name = 'int8') {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-quantize-'));
  const runtime = createOnnxDirectRuntime();
  onTestFinished(async () => {
    await runtime.close();
    await rm(folder, { recursive: true, force: true });
  });
  await writeSampleBundle(folder);
  const bundle = await readBundle(folder, ['edge', 'cloud']);
  if (!bundle.ok) throw new Error(bundle.error.message);
  const quantize = async (model: ModelProto) => {
    const quantized: Quantized = { model: change(model), nodes: 1, skipped: [] };
    return ok(quantized);
  };
  const options = { name, quantize, accuracyDropMax: 0.01 };
  return { folder, result: await quantizeBundle(bundle.value, data, options, runtime) };
}

/** The same graph under another name: other bytes. */
const renamed = (model: ModelProto): ModelProto => ({ ...model, producerName: 'other' });

/** The same graph with its logits negated. */
function broken(model: ModelProto): ModelProto {
  const rewriter = rewriteGraph(model);
  for (const node of model.graph.node) {
    const isLogits = node.output.includes('logits');
    rewriter.keep(node, isLogits ? { output: ['right'] } : {});
    if (isLogits) rewriter.add('Neg', ['right'], { output: 'logits' });
  }
  return rewriter.build();
}

describe('a quantized bundle', () => {
  it('holds the new variant beside the old, with its own digest, calibration and golden outputs', async () => {
    const { folder, result } = await quantizeSample(renamed);
    if (!result.ok) throw new Error(result.error.message);
    const { manifest, variant } = result.value;
    expect(checkManifest(manifest).ok).toBe(true);
    expect(manifest.variants.map(({ name }) => name)).toEqual(['fp32', 'int8']);
    expect(variant.digest).not.toBe(manifest.variants[0]?.digest);
    expect(variant.calibration).toMatchObject({
      variant: variant.digest,
      exits: [{ exit: 1, epsilon: 0.1, delta: 0.1, n: 100 }, { exit: 2 }],
    });
    expect(variant.golden).toMatchObject([{ logits: { 1: [2, 0], 2: [0, 1] } }]);
    await writeBundle(folder, result.value);
    const read = await readBundle(folder, ['edge', 'cloud'], 'int8');
    expect(read.ok && read.value.variant.digest).toBe(variant.digest);
    expect((await readBundle(folder, ['edge', 'cloud'], 'fp32')).ok).toBe(true);
  });

  it('takes not the place of the one that it is made from', async () => {
    const { result } = await quantizeSample(renamed, 'fp32');
    expect(result).toMatchObject({ error: { code: 'invalid_argument' } });
  });

  it('is refused where it answers worse than it may', async () => {
    const { result } = await quantizeSample(broken);
    expect(result).toMatchObject({ ok: false, error: { code: 'invalid_bundle' } });
    expect(result.ok ? '' : result.error.message).toMatch(
      /int8 loses 100\.00 points .* exit 1, .* exit 2/,
    );
  });
});
