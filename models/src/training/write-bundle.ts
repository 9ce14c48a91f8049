// A bundle to disk: its ONNX files, then its manifest, so that a manifest never names a file that is not there.

import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Manifest, manifestSchema } from '../bundle/manifest.ts';

export async function writeBundle(
  directory: string,
  { manifest, files }: { manifest: Manifest; files: ReadonlyMap<string, Uint8Array> },
): Promise<void> {
  manifestSchema.parse(manifest);
  await mkdir(directory, { recursive: true });
  for (const [name, bytes] of files) await writeFile(join(directory, name), bytes);
  await writeManifest(directory, manifest);
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
