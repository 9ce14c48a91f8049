import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Manifest } from '../bundle/manifest.ts';
import { writeSampleBundle } from '../testing/sample-bundle.ts';
import { readBundle } from './read-bundle.ts';

async function sampleFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-bundle-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writeSampleBundle(folder);
  return folder;
}

const edit = (folder: string, change: (manifest: Manifest) => unknown) => async () => {
  const path = join(folder, 'manifest.json');
  const manifest = JSON.parse(await readFile(path, 'utf8'));
  change(manifest);
  await writeFile(path, JSON.stringify(manifest));
};

describe('a bundle', () => {
  it('is read with the stages of the sides that are asked for', async () => {
    const folder = await sampleFolder();
    const bundle = await readBundle(folder, ['edge']);
    expect(bundle.ok && [...bundle.value.stages.keys()]).toEqual(['edge']);
    const both = await readBundle(folder, ['edge', 'cloud']);
    expect(both.ok && [...both.value.stages.keys()]).toEqual(['edge', 'cloud']);
  });

  it('is refused when one bit of a stage has changed, and only where that stage is needed', async () => {
    const folder = await sampleFolder();
    const path = join(folder, 'cloud.onnx');
    const bytes = await readFile(path);
    bytes[20] = (bytes[20] ?? 0) ^ 1;
    await writeFile(path, bytes);
    expect((await readBundle(folder, ['edge'])).ok).toBe(true);
    expect(await readBundle(folder, ['cloud'])).toMatchObject({
      error: { code: 'digest_mismatch' },
    });
  });

  it.each<[string, (manifest: Manifest) => unknown, string]>([
    [
      'a variant that is not its files',
      (m) => {
        if (m.variants[0]) m.variants[0].digest = `sha256:${'0'.repeat(64)}`;
      },
      'invalid_bundle',
    ],
    [
      'files exchanged under one digest',
      (m) => {
        const f = m.variants[0]?.files['edge'];
        if (f) f.sha256 = `sha256:${'0'.repeat(64)}`;
      },
      'digest_mismatch',
    ],
    [
      'a path that leaves the folder',
      (m) => {
        const f = m.variants[0]?.files['edge'];
        if (f) f.path = 'a/../../edge.onnx';
      },
      'invalid_bundle',
    ],
    [
      'a stage without its file',
      (m) => {
        delete m.variants[0]?.files['cloud'];
      },
      'invalid_bundle',
    ],
    [
      'a cut that nobody takes',
      (m) => {
        const s = m.stages[1]?.inputs[0];
        if (s) s.name = 'other';
      },
      'invalid_bundle',
    ],
    [
      'an exit of no stage',
      (m) => {
        if (m.exits[0]) m.exits[0].stage = 'nowhere';
      },
      'invalid_bundle',
    ],
    ['exits out of order', (m) => m.exits.reverse(), 'invalid_bundle'],
    [
      'a stage that comes back from the cloud',
      (m) => {
        for (const s of m.stages) s.side = s.side === 'edge' ? 'cloud' : 'edge';
      },
      'invalid_bundle',
    ],
    [
      'the calibration of another build',
      (m) =>
        Object.assign(m.variants[0]?.calibration ?? {}, { variant: `sha256:${'0'.repeat(64)}` }),
      'invalid_bundle',
    ],
    [
      'thresholds of fewer classes than it answers',
      (m) => Object.assign(m.variants[0]?.calibration.exits[0] ?? {}, { thresholds: [0.5] }),
      'invalid_bundle',
    ],
    [
      'a domain of another size than its classes',
      (m) =>
        Object.assign(m.variants[0]?.calibration.exits[0] ?? {}, {
          domain: {
            energyMax: 0,
            distance: { means: [[1, 2], [1]], precision: [1, 0, 0, 1], max: 1 },
          },
        }),
      'invalid_bundle',
    ],
    [
      'an unknown key',
      (m) => {
        Object.assign(m, { colour: 'blue' });
      },
      'invalid_bundle',
    ],
    [
      'a version that is none',
      (m) => {
        m.version = '1';
      },
      'invalid_bundle',
    ],
  ])('is refused for %s', async (_, change, code) => {
    const folder = await sampleFolder();
    await edit(folder, change)();
    expect(await readBundle(folder, ['edge', 'cloud'])).toMatchObject({
      ok: false,
      error: { code },
    });
  });

  it('is refused when its file is missing, too large or no JSON', async () => {
    expect(await readBundle('/nowhere', ['edge'])).toMatchObject({
      error: { code: 'invalid_bundle' },
    });
    const folder = await sampleFolder();
    await writeFile(join(folder, 'edge.onnx'), new Uint8Array(100_000));
    expect(await readBundle(folder, ['edge'])).toMatchObject({ error: { code: 'invalid_bundle' } });
    await writeFile(join(folder, 'manifest.json'), '{');
    expect(await readBundle(folder, ['edge'])).toMatchObject({ error: { code: 'invalid_bundle' } });
  });

  it('has no variant of a name that it does not have', async () => {
    expect(await readBundle(await sampleFolder(), ['edge'], 'int4')).toMatchObject({
      error: { code: 'invalid_bundle' },
    });
  });
});
