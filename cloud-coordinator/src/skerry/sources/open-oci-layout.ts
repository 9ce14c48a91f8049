// A bundle from an OCI image layout on disk, as `oras`, `skopeo`, `modctl` and `skerry model pack` write one. Layers are
// named by their digests, so a path in an annotation only names a file and never opens one.

import { join } from 'node:path';
import { manifestBytesMax } from '@skerry/models/node';
import { err, failure, ok, parseJson, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import type { z } from 'zod';
import { readManifest } from '../../update/registry/index.ts';
import {
  bundleFiles,
  checkFiles,
  insidePath,
  invalid,
  type LocalBundle,
  readSmall,
} from './local-bundle.ts';
import {
  blobPath,
  type Descriptor,
  documentBytesMax,
  filepathAnnotation,
  imageSchema,
  indexSchema,
  layoutFile,
  layoutSchema,
  mediaTypes,
  referenceAnnotation,
  titleAnnotation,
} from './oci-layout.ts';

/** @param reference which artefact, where the layout has several */
export async function openOciLayout(
  layout: string,
  reference?: string,
): Promise<Result<LocalBundle>> {
  const version = await readDocument(join(layout, layoutFile), layoutSchema);
  if (!version.ok) return version;
  const index = await readDocument(join(layout, 'index.json'), indexSchema);
  if (!index.ok) return index;
  const chosen = choose(index.value.manifests, reference);
  if (!chosen.ok) return chosen;
  const bytes = await readBlob(layout, chosen.value, documentBytesMax);
  if (!bytes.ok) return bytes;
  const image = parse(bytes.value, 'the image manifest', imageSchema);
  if (!image.ok) return image;
  const layers = new Map(image.value.layers.map((layer) => [pathIn(layer), layer]));
  const own = layers.get('manifest.json');
  if (own === undefined)
    return invalid(
      `${layout}: no layer is named manifest.json; there are ${[...layers.keys()].slice(0, 10).join(', ') || 'none'}`,
    );
  const manifestBytes = await readBlob(layout, own, manifestBytesMax);
  if (!manifestBytes.ok) return manifestBytes;
  const manifest = readManifest(manifestBytes.value);
  if (!manifest.ok) return manifest;
  const files = bundleFiles(manifest.value);
  if (!files.ok) return files;
  for (const { path, sha256: digest } of files.value) {
    const layer = layers.get(path);
    if (layer === undefined) return invalid(`${layout}: no layer is named ${path}`);
    if (layer.digest !== digest)
      return err(
        failure('digest_mismatch', `layer ${path} is ${layer.digest}, the manifest says ${digest}`),
      );
    const inside = await insidePath(layout, blobPath(layout, digest));
    if (!inside.ok) return inside;
  }
  const pathOf = (digest: string): string => blobPath(layout, digest);
  const checked = await checkFiles(files.value, (file) => pathOf(file.sha256));
  if (!checked.ok) return checked;
  return ok({
    manifestBytes: manifestBytes.value,
    manifest: manifest.value,
    pathOf,
    close: async () => {},
  });
}

function choose(
  manifests: readonly Descriptor[],
  reference: string | undefined,
): Result<Descriptor> {
  const names = manifests.map(({ annotations }) => annotations?.[referenceAnnotation] ?? '?');
  const fitting =
    reference === undefined ? manifests : manifests.filter((_, i) => names[i] === reference);
  const [first, ...others] = fitting;
  if (first === undefined)
    return invalid(`no artefact is named ${reference}; there are ${names.join(', ')}`);
  if (others.length > 0)
    return invalid(`several artefacts: name one by --reference: ${names.join(', ')}`);
  return first.mediaType === mediaTypes.manifest
    ? ok(first)
    : invalid(`${first.mediaType} is not an image manifest`);
}

/** What is packed in an archive has no file's digest. */
function pathIn({ annotations = {}, mediaType, digest }: Descriptor): string {
  const path = annotations[filepathAnnotation] ?? annotations[titleAnnotation];
  return path === undefined || /\btar\b/.test(mediaType) ? `${digest} (${mediaType})` : path;
}

async function readBlob(
  layout: string,
  { digest, size }: Descriptor,
  bytesMax: number,
): Promise<Result<Uint8Array>> {
  const path = await insidePath(layout, blobPath(layout, digest));
  if (!path.ok) return path;
  const bytes = await readSmall(path.value, bytesMax);
  if (!bytes.ok) return bytes;
  return bytes.value.byteLength === size && sha256(bytes.value) === digest
    ? bytes
    : err(failure('digest_mismatch', `${path.value} is not the blob that its name says`));
}

async function readDocument<S extends z.ZodType>(
  path: string,
  schema: S,
): Promise<Result<z.output<S>>> {
  const bytes = await readSmall(path, documentBytesMax);
  return bytes.ok ? parse(bytes.value, path, schema) : bytes;
}

function parse<S extends z.ZodType>(
  bytes: Uint8Array,
  name: string,
  schema: S,
): Result<z.output<S>> {
  const json = parseJson(bytes, name, 'invalid_bundle');
  if (!json.ok) return json;
  const parsed = schema.safeParse(json.value);
  return parsed.success ? ok(parsed.data) : invalid(`${name}: ${parsed.error.issues[0]?.message}`);
}
