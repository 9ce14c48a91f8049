import { join } from 'node:path';
import { createRandom, defined } from '@skerry/shared';
import * as ort from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Observed } from '../calibration/observed.ts';
import { predict } from '../confidence.ts';
import { type Bundle, readBundle, zooDirectory } from '../node/read-bundle.ts';
import { decodeModel } from '../onnx/model-proto.ts';
import { elementTypes } from '../onnx/tensor-proto.ts';
import { observeExits } from './evaluate.ts';
import { expectOk } from './expect-ok.ts';
import { type LabelledImages, selectImages } from './labelled-images.ts';
import { measure } from './measure.ts';
import { readMnist } from './mnist.ts';

let bundle: Bundle;
const noise = createRandom(1);
const stage = (name: string): Uint8Array => defined(bundle.stages.get(name), name);
const edgeExit = async (images: LabelledImages, stages = bundle.stages): Promise<Observed> =>
  defined((await observeExits(bundle.manifest, stages, images))[0], 'exit 1');
const edgeRule = () => defined(bundle.variant.calibration.exits[0], 'calibration of exit 1');

beforeAll(async () => {
  // Checks the manifest, its rules, and every digest.
  bundle = expectOk(await readBundle(join(zooDirectory, 'digits'), ['edge', 'cloud']));
});

describe('zoo/digits in bytes', () => {
  it('does on the 10 000 test images what it says, and leaves no product in floats', {
    timeout: 60_000,
  }, async () => {
    const sides = ['edge', 'cloud'] as const;
    const { variant, stages } = expectOk(
      await readBundle(join(zooDirectory, 'digits'), sides, 'int8'),
    );
    const { test } = await readMnist();
    const rule = defined(variant.calibration.exits[0], 'calibration of exit 1');
    const measured = measure(await edgeExit(test, stages), rule);
    const { accuracyEndToEnd = 0, shareAtExit1 = 0 } = variant.metrics ?? {};
    expect(Math.abs(measured.accuracyEndToEnd - accuracyEndToEnd)).toBeLessThanOrEqual(1e-3);
    expect(Math.abs(measured.shareAtEdge - shareAtExit1)).toBeLessThanOrEqual(1e-3);
    expect(measured.accuracyEndToEnd).toBeGreaterThanOrEqual(0.9925);
    expect(measured.shareAtEdge).toBeGreaterThanOrEqual(0.943);
    expect(measured.riskAtEdge).toBeLessThanOrEqual(rule.epsilon);
    for (const bytes of stages.values()) {
      const { graph } = expectOk(decodeModel(bytes));
      const weights = graph.initializer.filter(({ dims }) => dims.length > 1);
      expect(weights.map(({ dataType }) => dataType)).toEqual(weights.map(() => elementTypes.INT8));
    }
  });
});

describe('zoo/digits', () => {
  it('gives the golden outputs at both exits', async () => {
    const edge = await ort.InferenceSession.create(stage('edge'));
    const cloud = await ort.InferenceSession.create(stage('cloud'));
    for (const { input, logits, tolerance } of bundle.manifest.golden) {
      const image = new ort.Tensor('uint8', Uint8Array.from(input), [1, 1, 28, 28]);
      const atEdge = await edge.run({ image });
      const inCloud = await cloud.run({ cut: atEdge['cut'] as ort.Tensor });
      const outputs = { 1: atEdge['logits'], 2: inCloud['logits'] };
      for (const [exit, output] of Object.entries(outputs))
        for (const [i, expected] of (logits[exit] ?? []).entries())
          expect(Math.abs(Number(output?.data[i]) - expected)).toBeLessThanOrEqual(tolerance);
    }
    await edge.release();
    await cloud.release();
  });

  it('has golden inputs on both sides of the threshold', () => {
    const answered = bundle.manifest.golden.map(({ logits }) => {
      const row = logits['1'] ?? [];
      const { confidence } = predict(row, edgeRule().temperature);
      return confidence >= (edgeRule().threshold ?? 1);
    });
    expect(answered.length).toBeGreaterThanOrEqual(3);
    expect(new Set(answered)).toEqual(new Set([true, false]));
  });

  it('does on the 10 000 test images what its card says', { timeout: 60_000 }, async () => {
    const { test } = await readMnist();
    const measured = measure(await edgeExit(test), edgeRule());
    const { metrics } = bundle.manifest.card;
    // One image in a thousand may fall to the other side of a tie on another CPU.
    for (const key of ['accuracyEndToEnd', 'accuracyAtExit1', 'shareAtEdge'] as const)
      expect(Math.abs(measured[key] - (metrics[key] ?? 0))).toBeLessThanOrEqual(1e-3);
    expect(measured.accuracyEndToEnd).toBeGreaterThanOrEqual(0.9925);
    expect(measured.shareAtEdge).toBeGreaterThanOrEqual(0.943);
    expect(measured.riskAtEdge).toBeLessThanOrEqual(edgeRule().epsilon);
  });

  it.each<[string, (digit: Uint8Array) => Uint8Array]>([
    ['an empty image', (digit) => digit.fill(0)],
    ['a white one', (digit) => digit.fill(255)],
    ['noise', (digit) => digit.map(() => noise.below(256))],
    ['an inverted digit', (digit) => digit.map((pixel) => 255 - pixel)],
  ])('escalates %s, however sure its softmax is', async (_, alter) => {
    const { test } = await readMnist();
    const images = selectImages(
      test,
      Array.from({ length: 500 }, (_, i) => i),
    );
    const altered = { ...images, pixels: alter(images.pixels) as Uint8Array<ArrayBuffer> };
    expect(measure(await edgeExit(altered), edgeRule()).shareAtEdge).toBe(0);
  });

  it('would answer some of them by confidence alone', async () => {
    const { test } = await readMnist();
    const inverted = { ...test, pixels: test.pixels.map((pixel) => 255 - pixel) };
    const { domain: _, ...confidenceAlone } = edgeRule();
    expect(measure(await edgeExit(inverted), confidenceAlone).shareAtEdge).toBeGreaterThan(0.3);
  });
});
