// A bundle from disk. Nothing of it reaches a runtime before its manifest and every digest have been checked.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  collect,
  describeIssues,
  err,
  failure,
  messageOf,
  ok,
  parseJson,
  type Result,
} from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { checkManifest } from '../bundle/check-manifest.ts';
import { type Manifest, manifestSchema, type Stage, type Variant } from '../bundle/manifest.ts';
import { variantDigest } from './variant-digest.ts';

export interface Bundle {
  /** sha256 of its manifest.json, which names the digest of each file: names the bundle as a whole. */
  readonly digest: string;
  readonly manifest: Manifest;
  readonly variant: Variant;
  /** ONNX bytes of the stages that were asked for, by stage name. */
  readonly stages: ReadonlyMap<string, Uint8Array>;
}

export const manifestBytesMax = 4_194_304;

/** Where the bundles that ship with Skerry lie. */
export const zooDirectory = fileURLToPath(new URL('../../zoo', import.meta.url));

/**
 * Reads the manifest and the stages of `sides`. Fails with `invalid_bundle` (a manifest that breaks a rule, a file
 * that is missing) or `digest_mismatch` (a file that is not the one the manifest names).
 */
export async function readBundle(
  directory: string,
  sides: readonly Stage['side'][],
  variantName?: string,
): Promise<Result<Bundle>> {
  const manifest = await readManifest(directory);
  if (!manifest.ok) return manifest;
  const { name, variants } = manifest.value.manifest;
  const variant = variants.find((v) => variantName === undefined || v.name === variantName);
  if (variant === undefined)
    return err(failure('invalid_bundle', `bundle ${name} has no variant ${variantName}`));
  if (variant.digest !== variantDigest(manifest.value.manifest.stages, variant.files))
    return err(failure('digest_mismatch', `variant ${variant.name} of ${name} is not its files`));
  const stages = new Map<string, Uint8Array>();
  for (const stage of manifest.value.manifest.stages.filter((s) => sides.includes(s.side))) {
    const bytes = await readStage(directory, variant, stage.name);
    if (!bytes.ok) return bytes;
    stages.set(stage.name, bytes.value);
  }
  return ok({ ...manifest.value, variant, stages });
}

/** Every variant of one bundle: devices of one model need not run the same build. Fails as readBundle does. */
export async function readVariants(
  directory: string,
  sides: readonly Stage['side'][],
): Promise<Result<readonly Bundle[]>> {
  const manifest = await readManifest(directory);
  if (!manifest.ok) return manifest;
  const { variants } = manifest.value.manifest;
  return collect(await Promise.all(variants.map((v) => readBundle(directory, sides, v.name))));
}

async function readManifest(
  directory: string,
): Promise<Result<Pick<Bundle, 'digest' | 'manifest'>>> {
  const path = join(directory, 'manifest.json');
  const bytes = await readBounded(path, manifestBytesMax);
  if (!bytes.ok) return bytes;
  const manifest = parseManifest(bytes.value, path);
  return manifest.ok ? ok({ digest: sha256(bytes.value), manifest: manifest.value }) : manifest;
}

/** What a manifest.json says, where it breaks no rule; else `invalid_bundle`. `name` is for the message. */
export function parseManifest(bytes: Uint8Array, name: string): Result<Manifest> {
  const json = parseJson(bytes, name, 'invalid_bundle');
  if (!json.ok) return json;
  const parsed = manifestSchema.safeParse(json.value);
  if (parsed.success) return checkManifest(parsed.data);
  return err(failure('invalid_bundle', `${name}: ${describeIssues(parsed.error, 'the manifest')}`));
}

async function readStage(
  directory: string,
  variant: Variant,
  stage: string,
): Promise<Result<Uint8Array>> {
  const file = variant.files[stage];
  if (file === undefined)
    return err(failure('invalid_bundle', `variant ${variant.name} has no stage ${stage}`));
  const path = join(directory, file.path);
  const bytes = await readBounded(path, file.bytes);
  if (!bytes.ok) return bytes;
  const digest = sha256(bytes.value);
  if (digest === file.sha256) return bytes;
  return err(failure('digest_mismatch', `${path} is ${digest}, the manifest says ${file.sha256}`));
}

async function readBounded(path: string, bytesMax: number): Promise<Result<Uint8Array>> {
  try {
    const bytes = await readFile(path);
    if (bytes.byteLength <= bytesMax) return ok(bytes);
    return err(
      failure('invalid_bundle', `${path}: ${bytes.byteLength} bytes, at most ${bytesMax}`),
    );
  } catch (thrown) {
    return err(failure('invalid_bundle', `${path}: ${messageOf(thrown)}`));
  }
}
