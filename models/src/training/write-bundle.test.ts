import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { manifestSchema } from '../bundle/manifest.ts';
import { writeSampleBundle } from '../testing/index.ts';
import { writeBundle } from './write-bundle.ts';

async function sample() {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-write-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const manifest = await writeSampleBundle(folder);
  const read = async () => {
    const names = (await readdir(folder)).sort();
    const contents = await Promise.all(names.map((name) => readFile(join(folder, name), 'hex')));
    return Object.fromEntries(names.map((name, i) => [name, contents[i]]));
  };
  return { folder, manifest, read };
}

it('a bundle that cannot be written whole leaves the one before it as it was', async () => {
  const { folder, manifest, read } = await sample();
  const before = await read();
  const files = new Map([
    ['edge.onnx', Uint8Array.of(1)],
    ['no-such-folder/cloud.onnx', Uint8Array.of(2)],
  ]);
  await expect(writeBundle(folder, { manifest, files })).rejects.toThrow('ENOENT');
  expect(await read()).toEqual(before);
});

it('a bundle that is written lies there, and nothing else', async () => {
  const { folder, manifest, read } = await sample();
  const before = await read();
  const changed = manifestSchema.parse({ ...manifest, version: '9.0.0' });
  await writeBundle(folder, {
    manifest: changed,
    files: new Map([['edge.onnx', Uint8Array.of(1)]]),
  });
  const after = await read();
  expect(Object.keys(after)).toEqual(Object.keys(before));
  expect(after).toMatchObject({ 'edge.onnx': '01', 'cloud.onnx': before['cloud.onnx'] });
  expect(Buffer.from(after['manifest.json'] ?? '', 'hex').toString()).toContain('9.0.0');
});
