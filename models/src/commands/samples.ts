// Inputs to run a graph on: a file of Open Inference Protocol requests, one JSON object a line, or noise.

import { readFile } from 'node:fs/promises';
import { collect, createRandom, err, failure, messageOf, ok, type Result } from '@skerry/shared';
import { noiseFeeds } from '../onnx/noise-feeds.ts';
import { parseInferRequest } from '../open-inference/request.ts';
import type { TensorMap, TensorSpec } from '../tensor.ts';

export interface Samples {
  readonly runs: readonly TensorMap[];
  /** Whether they are what the model will see: noise says nothing about values. */
  readonly real: boolean;
}

const samplesMax = 10_000;
const noiseRuns = 4;
const noiseSeed = 1;

export async function readSamples(
  file: string | undefined,
  inputs: readonly TensorSpec[],
): Promise<Result<Samples>> {
  if (file === undefined) {
    const random = createRandom(noiseSeed);
    const runs = collect(Array.from({ length: noiseRuns }, () => noiseFeeds(inputs, random)));
    return runs.ok ? ok({ runs: runs.value, real: false }) : runs;
  }
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (thrown) {
    return err(failure('invalid_argument', `${file}: ${messageOf(thrown)}`));
  }
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  if (lines.length === 0 || lines.length > samplesMax)
    return err(
      failure('invalid_argument', `${file} holds ${lines.length} lines, 1 to ${samplesMax} may be`),
    );
  const requests = collect(
    lines.map((line) => parseInferRequest(new TextEncoder().encode(line), undefined, inputs)),
  );
  if (!requests.ok) return requests;
  return ok({ runs: requests.value.map((request) => request.inputs), real: true });
}
