// A bundle at hand, wherever it came from: its manifest and where each of its files lies. Nothing of it is sent before every
// size and digest has been looked at.

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, realpath, stat } from 'node:fs/promises';
import { isAbsolute, relative } from 'node:path';
import type { Manifest, Variant } from '@skerry/models';
import { err, failure, messageOf, ok, type Result } from '@skerry/shared';

export interface LocalBundle {
  readonly manifestBytes: Uint8Array;
  readonly manifest: Manifest;
  /** Of a file of some variant, by its digest. */
  pathOf(digest: string): string;
  /** Lets go of what was fetched for it. */
  close(): Promise<void>;
}

export type BundleFile = Variant['files'][string];

/** The most that a coordinator takes as one blob. */
export const fileBytesMax = 1024 ** 3;

/** Each file of each variant, once. Fails with `invalid_bundle` where one is too large to be sent. */
export function bundleFiles({ variants }: Manifest): Result<readonly BundleFile[]> {
  const files = variants.flatMap((variant) => Object.values(variant.files));
  const large = files.find(({ bytes }) => bytes > fileBytesMax);
  if (large !== undefined)
    return invalid(`${large.path}: ${large.bytes} bytes, at most ${fileBytesMax}`);
  return ok([...new Map(files.map((file) => [file.sha256, file])).values()]);
}

/** Fails with `invalid_bundle` or `digest_mismatch`. */
export async function checkFile(
  path: string,
  { bytes, sha256 }: BundleFile,
): Promise<Result<void>> {
  try {
    const { size } = await stat(path);
    if (size !== bytes) return invalid(`${path} has ${size} bytes, the manifest says ${bytes}`);
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(path)) hash.update(chunk);
    const digest = `sha256:${hash.digest('hex')}`;
    return digest === sha256
      ? ok(undefined)
      : err(failure('digest_mismatch', `${path} is ${digest}, the manifest says ${sha256}`));
  } catch (thrown) {
    return invalid(`${path}: ${messageOf(thrown)}`);
  }
}

export async function checkFiles(
  files: readonly BundleFile[],
  pathOf: (file: BundleFile) => string,
): Promise<Result<void>> {
  for (const file of files) {
    const checked = await checkFile(pathOf(file), file);
    if (!checked.ok) return checked;
  }
  return ok(undefined);
}

/** Where a path of the folder lies, links followed. Fails with `invalid_bundle` where it leads out of it. */
export async function insidePath(folder: string, path: string): Promise<Result<string>> {
  try {
    const [real, root] = await Promise.all([realpath(path), realpath(folder)]);
    const from = relative(root, real);
    return from.startsWith('..') || isAbsolute(from)
      ? invalid(`${path} leads out of ${folder}`)
      : ok(real);
  } catch (thrown) {
    return invalid(`${path}: ${messageOf(thrown)}`);
  }
}

/** Fails with `invalid_bundle` where it is not there, or larger. */
export async function readSmall(path: string, bytesMax: number): Promise<Result<Uint8Array>> {
  try {
    const { size } = await stat(path);
    if (size > bytesMax) return invalid(`${path}: ${size} bytes, at most ${bytesMax}`);
    return ok(await readFile(path));
  } catch (thrown) {
    return invalid(`${path}: ${messageOf(thrown)}`);
  }
}

export const invalid = (message: string): Result<never> => err(failure('invalid_bundle', message));
