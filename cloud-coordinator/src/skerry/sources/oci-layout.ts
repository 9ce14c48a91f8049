// The names of an OCI image layout on disk (image-spec 1.1) and of CNCF's ModelPack in it: one artefact whose layers are raw
// files, each with its path in an annotation. Our bundle's manifest.json is one of these files.

import { join } from 'node:path';
import { digestSchema } from '@skerry/shared';
import { z } from 'zod';

export const layoutFile = 'oci-layout';
export const layoutVersion = '1.0.0';
export const titleAnnotation = 'org.opencontainers.image.title';
export const filepathAnnotation = 'org.cncf.model.filepath';
export const referenceAnnotation = 'org.opencontainers.image.ref.name';

export const mediaTypes = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  artefact: 'application/vnd.cncf.model.manifest.v1+json',
  config: 'application/vnd.cncf.model.config.v1+json',
  weight: 'application/vnd.cncf.model.weight.v1.raw',
  weightConfig: 'application/vnd.cncf.model.weight.config.v1.raw',
} as const;

/** Of an index and of an image manifest. */
export const documentBytesMax = 4 * 1024 * 1024;
const descriptorsMax = 4_096;

const descriptorSchema = z.object({
  mediaType: z.string().max(256),
  digest: digestSchema,
  size: z.int().nonnegative(),
  annotations: z.record(z.string(), z.string()).optional(),
});
export type Descriptor = z.infer<typeof descriptorSchema>;

export const layoutSchema = z.object({ imageLayoutVersion: z.string() });
export const indexSchema = z.object({
  schemaVersion: z.literal(2),
  manifests: z.array(descriptorSchema).min(1).max(descriptorsMax),
});
export const imageSchema = z.object({
  schemaVersion: z.literal(2),
  artifactType: z.string().optional(),
  config: descriptorSchema,
  layers: z.array(descriptorSchema).max(descriptorsMax),
});

/** Where a blob of this digest lies. */
export const blobPath = (layout: string, digest: string): string =>
  join(layout, 'blobs', ...digest.split(':'));
