// What looks again at what a library found best: a larger embedder, or a cross-encoder, whichever the folder holds.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Runtime } from '@skerry/models';
import { crossEncoderName, openCrossEncoder, openEmbedder } from '@skerry/models/embedding';
import { readCrossEncoder, readEmbedder } from '@skerry/models/node';
import { ok, type Result } from '@skerry/shared';
import { type Reranker, rerankByEmbedder } from '../retrieve/rerank.ts';

export interface OpenedReranker {
  readonly reranker: Reranker;
  close(): Promise<void>;
}

/** Fails with `invalid_bundle`, or `digest_mismatch`. */
export async function openReranker(
  folder: string,
  runtime: Runtime,
): Promise<Result<OpenedReranker>> {
  if (existsSync(join(folder, crossEncoderName))) {
    const files = await readCrossEncoder(folder);
    const opened = files.ok ? await openCrossEncoder(files.value, runtime, { threads: 1 }) : files;
    if (!opened.ok) return opened;
    const { name, digest, score, close } = opened.value;
    const begin: Reranker['begin'] = async (question) => ok((text) => score(question, text));
    return ok({ reranker: { name, digest, begin }, close });
  }
  const files = await readEmbedder(folder);
  const opened = files.ok ? await openEmbedder(files.value, runtime, { threads: 1 }) : files;
  if (!opened.ok) return opened;
  return ok({ reranker: rerankByEmbedder(opened.value), close: opened.value.close });
}
