import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Manifest } from '@skerry/models';
import { createOnnxNativeRuntime, readBundle } from '@skerry/models/node';
import { writeSampleBundle } from '@skerry/models/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { loadModel, selfTest } from './model.ts';

async function load(change: (manifest: Manifest) => void = () => {}) {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-model-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writeSampleBundle(folder);
  const path = join(folder, 'manifest.json');
  const manifest = JSON.parse(await readFile(path, 'utf8')) as Manifest;
  change(manifest);
  await writeFile(path, JSON.stringify(manifest));
  const bundle = await readBundle(folder, ['edge']);
  if (!bundle.ok) throw new Error(bundle.error.message);
  const model = await loadModel(bundle.value, createOnnxNativeRuntime, { threads: 1 });
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

  it('that no calibration speaks of is never trusted', async () => {
    const model = await loaded((m) => m.variants[0]?.calibration.exits.shift());
    const data = new Uint8Array(4);
    const outcome = await model.runStage(0, { datatype: 'UINT8', shape: [1, 1, 2, 2], data });
    expect(outcome).toMatchObject({ value: { threshold: null } });
  });
});
