// A bundle to disk: its ONNX files, then its manifest, so that a manifest never names a file that is not there.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Manifest, manifestSchema } from '../bundle/manifest.ts';

export async function writeBundle(
  directory: string,
  { manifest, files }: { manifest: Manifest; files: ReadonlyMap<string, Uint8Array> },
): Promise<void> {
  const checked = manifestSchema.parse(manifest);
  await mkdir(directory, { recursive: true });
  for (const [name, bytes] of files) await writeFile(join(directory, name), bytes);
  await writeFile(join(directory, 'manifest.json'), formatJson(checked));
}

/** Indented, with each list of numbers on one line: 784 pixels are one thing to a reader. */
export function formatJson(value: unknown): string {
  const numberList = /\[\s+(-?[\d.e+-]+(?:,\s+-?[\d.e+-]+)*)\s+\]/g;
  const indented = JSON.stringify(value, null, 2);
  return `${indented.replace(numberList, (_, numbers: string) => `[${numbers.replace(/\s+/g, ' ')}]`)}\n`;
}
