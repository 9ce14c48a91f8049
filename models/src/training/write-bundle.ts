// A bundle to disk: its ONNX files, whole before any of them takes its place, then its manifest. So a manifest never names
// a file that is not there, and a disk that is full, or a process that dies, spoils no bundle that was there before.

import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Manifest, manifestSchema } from '../bundle/manifest.ts';

export async function writeBundle(
  directory: string,
  { manifest, files }: { manifest: Manifest; files: ReadonlyMap<string, Uint8Array> },
): Promise<void> {
  manifestSchema.parse(manifest);
  await mkdir(directory, { recursive: true });
  const apart = await mkdtemp(join(directory, '.new-'));
  try {
    for (const [name, bytes] of files) await writeFile(join(apart, name), bytes);
    for (const name of files.keys()) await rename(join(apart, name), join(directory, name));
    await writeManifest(directory, manifest);
  } finally {
    await rm(apart, { recursive: true, force: true });
  }
}

/** Into place by a rename: whoever reads it meanwhile finds the old one whole. */
export async function writeManifest(directory: string, manifest: Manifest): Promise<void> {
  const path = join(directory, 'manifest.json');
  await writeFile(`${path}.new`, formatJson(manifestSchema.parse(manifest)));
  await rename(`${path}.new`, path);
}

/** Indented, with each list of numbers on one line: 784 pixels are one thing to a reader. */
export function formatJson(value: unknown): string {
  const numberList = /\[\s+(-?[\d.e+-]+(?:,\s+-?[\d.e+-]+)*)\s+\]/g;
  const indented = JSON.stringify(value, null, 2);
  return `${indented.replace(numberList, (_, numbers: string) => `[${numbers.replace(/\s+/g, ' ')}]`)}\n`;
}
