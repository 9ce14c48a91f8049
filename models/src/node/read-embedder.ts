// An embedder, or a cross-encoder, from its folder, each file by its digest.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  describeIssues,
  err,
  failure,
  messageOf,
  ok,
  parseJson,
  type Result,
} from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import type { z } from 'zod';
import {
  type CrossEncoderFiles,
  crossEncoderDescriptionSchema,
  crossEncoderName,
  descriptionName,
  type EmbedderFiles,
  embedderDescriptionSchema,
  type embedderFileSchema,
} from '../embedding/embedder-files.ts';

/** Fails with `invalid_bundle`, or `digest_mismatch`. */
export const readEmbedder = (folder: string): Promise<Result<EmbedderFiles>> =>
  readDescribed(folder, descriptionName, embedderDescriptionSchema);

/** As an embedder. */
export const readCrossEncoder = (folder: string): Promise<Result<CrossEncoderFiles>> =>
  readDescribed(folder, crossEncoderName, crossEncoderDescriptionSchema);

interface Described {
  readonly model: z.infer<typeof embedderFileSchema>;
  readonly tokenizer: z.infer<typeof embedderFileSchema>;
}

async function readDescribed<D extends Described>(
  folder: string,
  name: string,
  schema: z.ZodType<D>,
): Promise<Result<Pick<EmbedderFiles, 'digest' | 'model' | 'tokenizer'> & { description: D }>> {
  try {
    const bytes = await readFile(join(folder, name));
    const json = parseJson(bytes, name, 'invalid_bundle');
    if (!json.ok) return json;
    const parsed = schema.safeParse(json.value);
    if (!parsed.success) return err(failure('invalid_bundle', describeIssues(parsed.error, name)));
    const model = await readChecked(folder, parsed.data.model);
    if (!model.ok) return model;
    const tokenizer = await readChecked(folder, parsed.data.tokenizer);
    if (!tokenizer.ok) return tokenizer;
    return ok({
      description: parsed.data,
      digest: sha256(bytes),
      model: model.value,
      tokenizer: tokenizer.value,
    });
  } catch (thrown) {
    return err(failure('invalid_bundle', `${folder}: ${messageOf(thrown)}`));
  }
}

async function readChecked(
  folder: string,
  file: z.infer<typeof embedderFileSchema>,
): Promise<Result<Uint8Array>> {
  const bytes = await readFile(join(folder, file.path));
  const digest = sha256(bytes);
  return digest === file.sha256
    ? ok(bytes)
    : err(failure('digest_mismatch', `${file.path} is ${digest}, not ${file.sha256}`));
}
