// A language model from its folder: the description is read, the weights are held against its digest and stay where they
// are, since the runtime maps them into memory.

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
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
import {
  type LanguageModel,
  languageModelFileName,
  languageModelSchema,
} from '../language/language-model-files.ts';

export interface LanguageModelFile {
  readonly description: LanguageModel;
  readonly path: string;
}

/** Fails with `invalid_bundle`, or `digest_mismatch`. Reads all the weights once. */
export async function readLanguageModel(folder: string): Promise<Result<LanguageModelFile>> {
  try {
    const bytes = await readFile(join(folder, languageModelFileName));
    const json = parseJson(bytes, languageModelFileName, 'invalid_bundle');
    if (!json.ok) return json;
    const parsed = languageModelSchema.safeParse(json.value);
    if (!parsed.success)
      return err(failure('invalid_bundle', describeIssues(parsed.error, languageModelFileName)));
    const { model } = parsed.data;
    const path = join(folder, model.path);
    const digest = await digestOfFile(path);
    return digest === model.sha256
      ? ok({ description: parsed.data, path })
      : err(failure('digest_mismatch', `${model.path} is ${digest}, not ${model.sha256}`));
  } catch (thrown) {
    return err(failure('invalid_bundle', `${folder}: ${messageOf(thrown)}`));
  }
}

export async function digestOfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return `sha256:${hash.digest('hex')}`;
}
