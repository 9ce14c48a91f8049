// A bundle as an OCI image layout, so that registries, signers and scanners of artefacts take it as it is. The same bundle
// gives the same bytes.

import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { err, failure, messageOf, ok, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { bundleFiles, type LocalBundle } from './local-bundle.ts';
import {
  blobPath,
  type Descriptor,
  filepathAnnotation,
  layoutFile,
  layoutVersion,
  mediaTypes,
  referenceAnnotation,
  titleAnnotation,
} from './oci-layout.ts';

/** Into a folder that is not there, or empty. Returns the artefact's digest. */
export async function writeOciLayout(
  { manifest, manifestBytes, pathOf }: LocalBundle,
  layout: string,
  reference: string,
): Promise<Result<string>> {
  const files = bundleFiles(manifest);
  if (!files.ok) return files;
  const write = async (
    mediaType: string,
    bytes: Uint8Array,
    annotations?: Descriptor['annotations'],
  ): Promise<Descriptor> => {
    const digest = sha256(bytes);
    await writeFile(blobPath(layout, digest), bytes);
    return { mediaType, digest, size: bytes.byteLength, ...(annotations && { annotations }) };
  };
  const named = (path: string) => ({ [titleAnnotation]: path, [filepathAnnotation]: path });
  try {
    await mkdir(dirname(layout), { recursive: true });
    await mkdir(layout);
    await mkdir(join(layout, 'blobs', 'sha256'), { recursive: true });
    const layers = [
      await write(mediaTypes.weightConfig, manifestBytes, named('manifest.json')),
      ...files.value.map(
        ({ path, sha256: digest, bytes: size }): Descriptor => ({
          mediaType: mediaTypes.weight,
          digest,
          size,
          annotations: named(path),
        }),
      ),
    ];
    for (const { sha256: digest } of files.value)
      await copyFile(pathOf(digest), blobPath(layout, digest));
    const { name, version, licence } = manifest;
    const config = await write(
      mediaTypes.config,
      json({
        descriptor: { name, version, licenses: [licence] },
        config: { format: 'onnx' },
        modelfs: { type: 'layers', diffIds: layers.map(({ digest }) => digest) },
      }),
    );
    const image = await write(
      mediaTypes.manifest,
      json({
        schemaVersion: 2,
        mediaType: mediaTypes.manifest,
        artifactType: mediaTypes.artefact,
        config,
        layers,
      }),
      { [referenceAnnotation]: reference },
    );
    await writeFile(join(layout, 'index.json'), json({ schemaVersion: 2, manifests: [image] }));
    // The last: without it the folder is no layout.
    await writeFile(join(layout, layoutFile), json({ imageLayoutVersion: layoutVersion }));
    return ok(image.digest);
  } catch (thrown) {
    return err(failure('storage_failed', `${layout}: ${messageOf(thrown)}`));
  }
}

const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
