// A bundle in a folder: manifest.json, and its files beside it.

import { join } from 'node:path';
import { manifestBytesMax } from '@skerry/models/node';
import { ok, type Result } from '@skerry/shared';
import { readManifest } from '../../update/registry/index.ts';
import {
  bundleFiles,
  checkFiles,
  insidePath,
  type LocalBundle,
  readSmall,
} from './local-bundle.ts';

export async function openFolder(folder: string): Promise<Result<LocalBundle>> {
  const bytes = await readSmall(join(folder, 'manifest.json'), manifestBytesMax);
  if (!bytes.ok) return bytes;
  const manifest = readManifest(bytes.value);
  if (!manifest.ok) return manifest;
  const files = bundleFiles(manifest.value);
  if (!files.ok) return files;
  const paths = new Map<string, string>();
  for (const { path, sha256 } of files.value) {
    const inside = await insidePath(folder, join(folder, path));
    if (!inside.ok) return inside;
    paths.set(sha256, inside.value);
  }
  const pathOf = (digest: string): string => paths.get(digest) ?? '';
  const checked = await checkFiles(files.value, ({ sha256 }) => pathOf(sha256));
  if (!checked.ok) return checked;
  return ok({
    manifestBytes: bytes.value,
    manifest: manifest.value,
    pathOf,
    close: async () => {},
  });
}
