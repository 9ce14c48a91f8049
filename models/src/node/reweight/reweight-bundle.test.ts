// The bundle that ships, with other weights than it came with.

import { join } from 'node:path';
import { createRandom, defined } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkManifest } from '../../bundle/check-manifest.ts';
import type { CalibrationExamples } from '../../bundle/run-stages.ts';
import { floatInitializers } from '../../onnx/initializers.ts';
import { decodeModel } from '../../onnx/model-proto.ts';
import { createOnnxDirectRuntime } from '../../runtime/onnx-direct.ts';
import { digitsNetwork } from '../../training/digits.ts';
import { selectImages } from '../../training/labelled-images.ts';
import { readMnist } from '../../training/mnist.ts';
import { parametersOf } from '../../training/network.ts';
import { type Bundle, readBundle, zooDirectory } from '../read-bundle.ts';
import { variantDigest } from '../variant-digest.ts';
import { type HeldOutFiles, readHeldOut } from './held-out-images.ts';
import { evaluateApart, reweightApart } from './reweight-apart.ts';
import { evaluateStages, type Reweighting, reweightBundle } from './reweight-bundle.ts';

const runtime = createOnnxDirectRuntime();
const names = parametersOf(digitsNetwork).map(({ name }) => name);

/** IDX of bytes. */
function idx(shape: readonly number[], data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + 4 * shape.length + data.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0, 0, 8, shape.length]);
  for (const [axis, size] of shape.entries()) view.setUint32(4 + 4 * axis, size);
  bytes.set(data, 4 + 4 * shape.length);
  return bytes;
}

let base: Bundle;
let heldOut: HeldOutFiles;
let data: CalibrationExamples;
let weights: Map<string, Float32Array<ArrayBuffer>>;

beforeAll(async () => {
  base = unwrap(await readBundle(join(zooDirectory, 'digits'), ['edge', 'cloud']));
  const { test } = await readMnist();
  const { pixels, labels } = selectImages(
    test,
    Uint32Array.from({ length: 700 }, (_, i) => i),
  );
  heldOut = { images: idx([700, 28, 28], pixels), labels: idx([700], labels) };
  data = unwrap(readHeldOut(heldOut, 1));
  weights = new Map();
  for (const bytes of base.stages.values())
    for (const [name, values] of unwrap(floatInitializers(unwrap(decodeModel(bytes)))))
      if (names.includes(name)) weights.set(name, values);
});

const how = (more: Partial<Reweighting> = {}): Reweighting => ({
  weights,
  version: '1.1.0',
  variants: [],
  lineage: { recipe: 'run-1', data: [{ name: 'devices of a fleet' }] },
  card: { limitations: 'Learned on devices.', metrics: { rounds: 3 } },
  accuracyDropMax: 0.01,
  ...more,
});

/** Each weight a little, or very, other. */
const shaken = (share: number): typeof weights => {
  const random = createRandom(5);
  return new Map(
    [...weights].map(([name, values]) => [
      name,
      values.map((value) => value * (1 + share * random.gaussian())),
    ]),
  );
};

describe('a bundle with other weights', () => {
  it('is whole: every digest, the golden answers and the calibration are of the new weights', async () => {
    const made = unwrap(await reweightBundle(base, data, how({ weights: shaken(0.02) }), runtime));
    const { manifest, files } = made;
    expect(unwrap(checkManifest(manifest)).version).toBe('1.1.0');
    const [variant] = manifest.variants;
    expect(variant?.digest).toBe(variantDigest(manifest.stages, defined(variant, 'one').files));
    expect(variant?.digest).not.toBe(base.variant.digest);
    expect(variant?.calibration.variant).toBe(variant?.digest);
    expect([...files.keys()].sort()).toEqual(['cloud.onnx', 'edge.onnx']);
    expect(manifest.golden).toHaveLength(base.manifest.golden.length);
    expect(manifest.golden[0]?.logits).not.toEqual(base.manifest.golden[0]?.logits);
    expect(manifest.lineage.data).toEqual([
      ...base.manifest.lineage.data,
      { name: 'devices of a fleet' },
    ]);
    expect(manifest.card.metrics).toMatchObject({ rounds: 3 });
    expect(manifest.card.limitations).toMatch(/Learned on devices\.$/);
    expect(made.after.accuracyEndToEnd).toBeGreaterThan(0.9);
    const again = unwrap(await reweightBundle(base, data, how({ weights: shaken(0.02) }), runtime));
    expect(again.manifest).toEqual(manifest);
  });

  it('chooses the cut’s scale anew where its values reach further', async () => {
    const neck = names.filter((name) => name.startsWith('edge.neck'));
    const wide = new Map(weights);
    for (const name of neck)
      wide.set(
        name,
        defined(weights.get(name), name).map((v) => 4 * v),
      );
    // The cloud's first layer takes it back: the same function, but for the bytes between.
    const first = defined(
      names.find((name) => name.startsWith('cloud.trunk.0.w')),
      'a weight',
    );
    wide.set(
      first,
      defined(weights.get(first), first).map((v) => v / 4),
    );
    const made = unwrap(await reweightBundle(base, data, how({ weights: wide }), runtime));
    const { before, after } = made;
    expect(after.accuracyAtExit[1]).toBeGreaterThan((before.accuracyAtExit[1] ?? 1) - 0.01);
  });

  it('changes one stage alone, and leaves a cut as it was that nothing learned has part in', async () => {
    const ofHead = names.filter((name) => name.startsWith('edge.head.'));
    const learned = new Map([...shaken(0.05)].filter(([name]) => ofHead.includes(name)));
    const made = unwrap(
      await reweightBundle(base, data, how({ weights: learned, stage: 'edge' }), runtime),
    );
    const files = defined(made.manifest.variants[0], 'a variant').files;
    expect(files['cloud']).toEqual(base.variant.files['cloud']);
    expect(files['edge']?.sha256).not.toBe(base.variant.files['edge']?.sha256);
    expect(made.after.accuracyAtExit[1]).toBe(made.before.accuracyAtExit[1]);
    const elsewhere = await reweightBundle(
      base,
      data,
      how({ weights: learned, stage: 'cloud' }),
      runtime,
    );
    expect(elsewhere).toMatchObject({ error: { code: 'invalid_argument' } });
  });

  it('is refused where it answers worse than it may, or where a weight has no place', async () => {
    const bad = await reweightBundle(base, data, how({ weights: shaken(2) }), runtime);
    expect(bad).toMatchObject({ error: { code: 'invalid_bundle' } });
    const lost = new Map([['nowhere', new Float32Array(1)]]);
    expect(await reweightBundle(base, data, how({ weights: lost }), runtime)).toMatchObject({
      error: { code: 'invalid_argument' },
    });
    expect(readHeldOut({ ...heldOut, labels: heldOut.images }, 1)).toMatchObject({
      error: { code: 'invalid_argument' },
    });
  });

  it('has the other variants too, and is made apart all the same', async () => {
    const ground = { base, heldOut, seed: 1 };
    const made = unwrap(await reweightApart(ground, how({ variants: ['int8'] }), 60_000));
    expect(made.manifest.variants.map(({ name }) => name)).toEqual(['fp32', 'int8']);
    expect([...made.files.keys()]).toContain('edge.int8.onnx');
    const measured = unwrap(await evaluateApart(ground, { weights }, 60_000));
    expect(measured).toEqual(unwrap(await evaluateStages(base, data, { weights }, runtime)));
    expect(measured['accuracy']).toBeGreaterThan(0.95);
  });
});
