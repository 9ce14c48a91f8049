// An embedder from its folder, each file by its digest.

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
  descriptionName,
  type EmbedderFiles,
  embedderDescriptionSchema,
  type embedderFileSchema,
} from '../embedding/embedder-files.ts';

/** Fails with `invalid_bundle`, or `digest_mismatch`. */
export async function readEmbedder(folder: string): Promise<Result<EmbedderFiles>> {
  try {
    const bytes = await readFile(join(folder, descriptionName));
    const json = parseJson(bytes, descriptionName, 'invalid_bundle');
    if (!json.ok) return json;
    const parsed = embedderDescriptionSchema.safeParse(json.value);
    if (!parsed.success)
      return err(failure('invalid_bundle', describeIssues(parsed.error, descriptionName)));
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
