import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Manifest } from '../bundle/manifest.ts';
import { readBundle, zooDirectory } from '../node/read-bundle.ts';
import { readMnist } from '../training/mnist.ts';
import { calibrate } from './calibrate.ts';

async function folderFor(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-calibrate-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function digitsFolder(): Promise<string> {
  const folder = await folderFor();
  await cp(join(zooDirectory, 'digits'), folder, { recursive: true });
  return folder;
}

const idx = (shape: readonly number[], data: Uint8Array): Uint8Array => {
  const header = new DataView(new ArrayBuffer(4 + 4 * shape.length));
  header.setUint32(0, 0x0800 + shape.length);
  for (const [axis, size] of shape.entries()) header.setUint32(4 + 4 * axis, size);
  return Buffer.concat([new Uint8Array(header.buffer), data]);
};

/** `count` test images of MNIST as two IDX files, given as --data takes them. */
async function idxFiles(count: number, labelOf = (label: number): number => label) {
  const folder = await folderFor();
  const { test } = await readMnist();
  const [images, labels] = [join(folder, 'images'), join(folder, 'labels')];
  await writeFile(images, idx([count, 28, 28], test.pixels.subarray(0, count * 784)));
  await writeFile(labels, idx([count], test.labels.subarray(0, count).map(labelOf)));
  return `${images},${labels}`;
}

const manifestOf = async (folder: string): Promise<Manifest> =>
  JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8'));

describe('models calibrate', () => {
  it('writes a calibration that says what it is of, and that a device loads', async () => {
    const folder = await digitsFolder();
    const before = await manifestOf(folder);
    const svg = join(folder, 'curve.svg');
    const data = await idxFiles(2000);
    const argv = [
      folder,
      '--data',
      data,
      '--epsilon',
      '0.01',
      '--loss',
      'disagreement',
      '--svg',
      svg,
    ];
    const done = await calibrate.run(argv);
    expect(done).toMatchObject({ ok: true, value: expect.stringContaining('P(risk ≤ ε) ≥ 1 − δ') });
    const bundle = await readBundle(folder, ['edge']);
    if (!bundle.ok) throw new Error(bundle.error.message);
    const { calibration, digest } = bundle.value.variant;
    expect(calibration).toMatchObject({
      variant: digest,
      data: expect.stringMatching(/^sha256:/),
      exits: [{ loss: 'disagreement', epsilon: 0.01, delta: 0.1, n: 1200 }, { method: 'none' }],
    });
    expect(calibration.data).not.toBe(before.variants[0]?.calibration.data);
    expect(calibration.exits[0]?.threshold).toBeGreaterThan(0);
    expect(await readFile(svg, 'utf8')).toContain('<polyline');
  });

  it('escalates everything, and says why, where the examples are too few', async () => {
    const folder = await digitsFolder();
    const done = await calibrate.run([folder, '--data', await idxFiles(500), '--epsilon', '0.001']);
    expect(done).toMatchObject({ value: expect.stringContaining('2302 can: escalate everything') });
    const { variants } = await manifestOf(folder);
    expect(variants[0]?.calibration.exits[0]).toMatchObject({
      threshold: null,
      reason: expect.stringContaining('300 examples cannot show a risk of 0.001'),
    });
  });

  it('has a threshold for each class where it is asked to, and only shows it where it must not write', async () => {
    const folder = await digitsFolder();
    const before = await manifestOf(folder);
    const argv = ['--data', await idxFiles(2000), '--thresholds', 'per-class', '--epsilon', '0.05'];
    const done = await calibrate.run([folder, ...argv, '--write', 'no']);
    expect(done).toMatchObject({ value: expect.stringContaining('where it answers 9') });
    expect(await manifestOf(folder)).toEqual(before);
  });

  it.each([
    ['a data set that there is not', async () => 'cifar', 'mnist or fashion'],
    ['files that are not there', async () => '/nowhere/images,/nowhere/labels', 'ENOENT'],
    ['labels that the bundle has not', () => idxFiles(100, () => 10), '10 labels, the data has 10'],
    ['no image at all', () => idxFiles(0), 'too few examples'],
  ])('refuses %s and leaves the bundle as it was', async (_, data, reason) => {
    const folder = await digitsFolder();
    const before = await manifestOf(folder);
    expect(await calibrate.run([folder, '--data', await data()])).toMatchObject({
      error: { code: 'invalid_config', message: expect.stringContaining(reason) },
    });
    expect(await manifestOf(folder)).toEqual(before);
  });
});
