import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createResidency, type ExitCalibration, type Manifest, tensorOf } from '@skerry/models';
import { createOnnxNativePool, createOnnxNativeRuntime, readBundle } from '@skerry/models/node';
import { writeSampleBundle, writeSampleCascade } from '@skerry/models/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { loadModel, selfTest } from './model.ts';

async function sampleBundle(change: (manifest: Manifest) => void = () => {}) {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-model-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writeSampleBundle(folder);
  const path = join(folder, 'manifest.json');
  const manifest = JSON.parse(await readFile(path, 'utf8')) as Manifest;
  change(manifest);
  await writeFile(path, JSON.stringify(manifest));
  const bundle = await readBundle(folder, ['edge']);
  if (!bundle.ok) throw new Error(bundle.error.message);
  return bundle.value;
}

async function load(change?: (manifest: Manifest) => void) {
  const bundle = await sampleBundle(change);
  const model = await loadModel(bundle, createOnnxNativeRuntime, { threads: 1 });
  if (model.ok) onTestFinished(() => model.value.unload());
  return model;
}

async function loaded(change?: (manifest: Manifest) => void) {
  const model = await load(change);
  if (!model.ok) throw new Error(model.error.message);
  return model.value;
}

describe('the self-test', () => {
  it('passes on the outputs that the bundle promises', async () => {
    expect(await selfTest(await loaded())).toEqual({ ok: true, value: 1 });
  });

  it('holds a variant to what that variant promises, not to another’s', async () => {
    const own = (zero: number) => (m: Manifest) => {
      const [variant] = m.variants;
      if (variant) variant.golden = [{ logits: { 1: [2.25, zero] }, tolerance: 0.3 }];
    };
    expect(await selfTest(await loaded(own(0)))).toEqual({ ok: true, value: 1 });
    expect(await selfTest(await loaded(own(0.5)))).toMatchObject({ ok: false });
  });

  it.each<[string, (manifest: Manifest) => void]>([
    [
      'one logit differs',
      (m) => {
        if (m.golden[0]) m.golden[0].logits['1'] = [2, 0.5];
      },
    ],
    [
      'there are more logits than the graph gives',
      (m) => {
        if (m.golden[0]) m.golden[0].logits['1'] = [2, 0, 0];
      },
    ],
    [
      'it promises nothing for this exit',
      (m) => {
        if (m.golden[0]) delete m.golden[0].logits['1'];
      },
    ],
  ])('fails where %s', async (_, change) => {
    expect(await selfTest(await loaded(change))).toMatchObject({
      error: { code: 'invalid_bundle' },
    });
  });
});

describe('a bundle', () => {
  it('whose graph is not what its manifest says is refused', async () => {
    const renamed = await load((m) => {
      for (const spec of [...m.inputs, ...(m.stages[0]?.inputs ?? [])]) spec.name = 'picture';
    });
    expect(renamed).toMatchObject({ error: { code: 'invalid_bundle' } });
  });
});

const calibrateFirst = (m: Manifest, change: Partial<ExitCalibration>): void => {
  Object.assign(m.variants[0]?.calibration.exits[0] ?? {}, change);
};

describe('a stage', () => {
  it('comes with its exit, its threshold and its cut', async () => {
    const model = await loaded();
    const data = Uint8Array.of(32, 0, 5, 6);
    const outcome = await model.runStage(0, { datatype: 'UINT8', shape: [1, 1, 2, 2], data });
    expect(outcome).toMatchObject({
      value: {
        exit: 1,
        threshold: 0.9,
        logits: Float32Array.of(2, 0),
        cut: { stage: 'cloud', name: 'cut', tensor: { data: Uint8Array.of(5, 6) } },
        hasNextEdgeStage: false,
        hasCloudStage: true,
      },
    });
  });

  it.each<[string, (m: Manifest) => void, Uint8Array<ArrayBuffer>]>([
    [
      'whose energy is that of no known input',
      (m) => calibrateFirst(m, { domain: { energyMax: -3 } }),
      Uint8Array.of(32, 0, 5, 6),
    ],
    [
      'whose cut is far from that of the answered class',
      (m) =>
        calibrateFirst(m, {
          domain: {
            energyMax: 0,
            distance: { means: [[5, 6], null], precision: [1, 0, 0, 1], max: 1 },
          },
        }),
      Uint8Array.of(32, 0, 5, 200),
    ],
  ])('is not trusted with an input %s', async (_, change, data) => {
    const model = await loaded(change);
    const outcome = await model.runStage(0, { datatype: 'UINT8', shape: [1, 1, 2, 2], data });
    expect(outcome).toMatchObject({ value: { threshold: null, outOfDomain: true } });
    const familiar = await loaded((m) => calibrateFirst(m, { domain: { energyMax: 0 } }));
    const trusted = await familiar.runStage(0, { datatype: 'UINT8', shape: [1, 1, 2, 2], data });
    expect(trusted).toMatchObject({ value: { threshold: 0.9, outOfDomain: false } });
  });

  it('has the threshold of the class that it answers, where classes have their own', async () => {
    const model = await loaded((m) => calibrateFirst(m, { thresholds: [0.7, null] }));
    const runWith = (...data: number[]) =>
      model.runStage(0, { datatype: 'UINT8', shape: [1, 1, 2, 2], data: Uint8Array.from(data) });
    expect(await runWith(32, 0, 5, 6)).toMatchObject({ value: { threshold: 0.7 } });
    expect(await runWith(0, 32, 5, 6)).toMatchObject({
      value: { threshold: null, outOfDomain: false },
    });
  });

  it('that no calibration speaks of is never trusted', async () => {
    const model = await loaded((m) => m.variants[0]?.calibration.exits.shift());
    const data = new Uint8Array(4);
    const outcome = await model.runStage(0, { datatype: 'UINT8', shape: [1, 1, 2, 2], data });
    expect(outcome).toMatchObject({ value: { threshold: null } });
  });
});

describe('models that share one worker and one memory', () => {
  const threads = 1;

  it('take turns in it, and each answers whenever it is asked', async () => {
    const bundle = await sampleBundle();
    const { createRuntime } = createOnnxNativePool(1);
    const alone = createResidency(Number.POSITIVE_INFINITY);
    const first = await loadModel(bundle, createRuntime, { threads, residency: alone });
    if (first.ok) onTestFinished(() => first.value.unload());
    const residency = createResidency(1.5 * alone.bytes());
    const load = async () => {
      const model = await loadModel(bundle, createRuntime, { threads, residency });
      if (!model.ok) throw new Error(model.error.message);
      onTestFinished(() => model.value.unload());
      return model.value;
    };
    const [a, b] = [await load(), await load()];
    for (const model of [a, b, b, a]) {
      const image = tensorOf('UINT8', [1, 1, 2, 2], [32, 0, 0, 16]);
      const outcome = image.ok && (await model.runStage(0, image.value));
      expect(outcome).toMatchObject({ value: { prediction: { index: 0 } } });
      expect(residency.bytes()).toBe(alone.bytes());
      expect(model.ready()).toBe(true);
    }
  });

  it('are refused, with both sizes, where one alone is larger than the memory', async () => {
    const bundle = await sampleBundle();
    const residency = createResidency(1024);
    const { createRuntime } = createOnnxNativePool(1);
    const refused = await loadModel(bundle, createRuntime, { threads, residency });
    expect(refused).toMatchObject({
      error: {
        code: 'too_large',
        message: expect.stringMatching(/^sample: stage edge: takes .* models may take 0\.0 MiB$/),
      },
    });
  });
});

describe('a cascade', () => {
  it('gives the next model the input, and the cloud too', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'skerry-cascade-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    await writeSampleCascade(folder);
    const bundle = await readBundle(folder, ['edge']);
    if (!bundle.ok) throw new Error(bundle.error.message);
    const model = await loadModel(bundle.value, createOnnxNativeRuntime, { threads: 1 });
    if (!model.ok) throw new Error(model.error.message);
    onTestFinished(() => model.value.unload());
    const data = Uint8Array.from({ length: 48 }, (_, i) => (i < 16 ? 255 : 0));
    const outcome = await model.value.runStage(0, {
      datatype: 'UINT8',
      shape: [1, 3, 4, 4],
      data: data.slice(),
    });
    expect(outcome).toMatchObject({
      value: {
        exit: 1,
        threshold: null,
        prediction: { index: 0 },
        cut: { stage: 'cloud', name: 'image', tensor: { shape: [1, 3, 4, 4], data } },
        hasCloudStage: true,
      },
    });
  });

  it('that lies on the device alone runs model after model', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'skerry-cascade-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    await writeSampleCascade(folder, false);
    const bundle = await readBundle(folder, ['edge']);
    if (!bundle.ok) throw new Error(bundle.error.message);
    const model = await loadModel(bundle.value, createOnnxNativeRuntime, { threads: 1 });
    if (!model.ok) throw new Error(model.error.message);
    onTestFinished(() => model.value.unload());
    const data = new Uint8Array(48).fill(255, 0, 16);
    const first = await model.value.runStage(0, { datatype: 'UINT8', shape: [1, 3, 4, 4], data });
    const input = first.ok ? first.value.cut?.tensor : undefined;
    if (input === undefined) throw new Error('no input for the next');
    const second = await model.value.runStage(1, input);
    expect(second).toMatchObject({ value: { exit: 2, threshold: 0, hasNextEdgeStage: false } });
    expect(second.ok && second.value.logits[0]).toBeCloseTo(8, 3);
  });
});
