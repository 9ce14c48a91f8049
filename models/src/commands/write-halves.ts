import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { encodeModel } from '../onnx/model-proto.ts';
import type { Halves } from '../split/split-graph.ts';

/** `device.onnx` and `cloud.onnx` in a folder; returns the lines that say so. */
export async function writeHalves(halves: Halves, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const lines: string[] = [];
  for (const side of ['device', 'cloud'] as const) {
    const file = join(folder, `${side}.onnx`);
    const content = encodeModel(halves[side]);
    await writeFile(file, content);
    lines.push(`${file}  ${content.byteLength} bytes`);
  }
  return `${lines.join('\n')}\n'${halves.name}' travels between them`;
}

/** As the device packs a cut: zlib, where that is smaller. */
export const packedBytes = (bytes: Uint8Array): number =>
  Math.min(bytes.byteLength, deflateSync(bytes).byteLength);
