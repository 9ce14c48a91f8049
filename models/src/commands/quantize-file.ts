// The part of models quantize that works on a bare graph.

import { writeFile } from 'node:fs/promises';
import { defined, err, failure, ok, type Result } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import { encodeModel } from '../onnx/model-proto.ts';
import { closenessOf } from '../quantize/closeness.ts';
import type { Skipped } from '../quantize/plan-qdq.ts';
import { type QuantizeOptions, quantizeModel } from '../quantize/quantize-model.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { checkExcluded } from './check-excluded.ts';
import { table } from './command.ts';
import { compareSpeed } from './compare-speed.ts';
import { readModel } from './read-model.ts';
import { readSamples } from './samples.ts';

export interface QuantizeFileOptions extends QuantizeOptions {
  readonly out: string | undefined;
  readonly samples: string | undefined;
  /** Of the outputs, on the mean of the samples. */
  readonly cosineMin: number;
}

export async function quantizeFile(
  path: string,
  options: QuantizeFileOptions,
  runtime: Runtime,
): Promise<Result<string>> {
  const { out, cosineMin, mode } = options;
  const invalid = (message: string) => err(failure('invalid_argument', message));
  if (out === undefined) return invalid('a file needs --out, the file that is written');
  if (mode === 'static' && options.samples === undefined)
    return invalid('static quantization needs --samples: ranges of noise mean nothing');
  const read = await readModel(path, runtime);
  if (!read.ok) return read;
  const { bytes, model, inputs } = read.value;
  const known = checkExcluded([model], options.excluded);
  if (!known.ok) return known;
  const samples = await readSamples(options.samples, inputs);
  if (!samples.ok) return samples;
  const { runs, real } = samples.value;
  const quantized = await quantizeModel(model, runs, options, runtime);
  if (!quantized.ok) return quantized;
  const content = encodeModel(quantized.value.model);
  const close = await closenessOf(bytes, content, runs, runtime);
  if (!close.ok) return close;
  const { mean, least } = close.value;
  if (!(mean >= cosineMin))
    return err(
      failure(
        'invalid_bundle',
        `its outputs' cosine similarity is ${mean.toFixed(4)}, at least ${cosineMin}. Nothing was written`,
      ),
    );
  const speed = await compareSpeed(
    [bytes, content],
    defined(runs[0], 'a sample'),
    runtime,
    systemClock,
  );
  if (!speed.ok) return speed;
  await writeFile(out, content);
  const rows = [
    ['', 'before', 'after'],
    ['bytes', String(bytes.byteLength), String(content.byteLength)],
    ['ms of a run', ...speed.value.map((ms) => ms.toFixed(3))],
    ['cosine similarity', '1', `${mean.toFixed(4)}, least ${least.toFixed(4)}`],
  ];
  const from = real ? `${runs.length} samples` : 'noise: --samples FILE judges by real inputs';
  const { nodes, skipped } = quantized.value;
  return ok(`${table(rows)}\non ${from}\n${nodes} nodes have weights in bytes${leftText(skipped)}`);
}

/** How many nodes stay as they are, by why. */
export function leftText(skipped: readonly Skipped[]): string {
  const counts = new Map<string, number>();
  for (const { reason } of skipped) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts].map(([reason, count]) => `\n${count} not: ${reason}`).join('');
}
