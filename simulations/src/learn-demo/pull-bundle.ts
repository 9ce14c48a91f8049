// A version out of the registry, as whoever signs it wants to have it: its manifest and every file that the manifest names,
// each looked at by its digest.

import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { digestSchema } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { z } from 'zod';

const fileSchema = z.object({
  path: z.string().regex(/^[\w.-]+(\/[\w.-]+)*$/),
  sha256: digestSchema,
});

export async function pullBundle(
  manifest: string,
  folder: string,
  fetchBlob: (digest: string) => Promise<Uint8Array>,
): Promise<void> {
  const pull = async (path: string, digest: string): Promise<Uint8Array> => {
    const bytes = await fetchBlob(digest);
    if (sha256(bytes) !== digest) throw new Error(`${path} is not what its digest says`);
    const at = join(folder, path);
    await mkdir(dirname(at), { recursive: true });
    await writeFile(at, bytes);
    return bytes;
  };
  const bytes = await pull('manifest.json', manifest);
  const files = filesIn(JSON.parse(new TextDecoder().decode(bytes)));
  for (const [path, digest] of files) await pull(path, digest);
}

/** Wherever in a manifest a file is named. */
function filesIn(value: unknown): ReadonlyMap<string, string> {
  if (typeof value !== 'object' || value === null) return new Map();
  const file = fileSchema.safeParse(value);
  if (file.success) return new Map([[file.data.path, file.data.sha256]]);
  return new Map(Object.values(value).flatMap((part) => [...filesIn(part)]));
}
