// One graph into bytes, in the way that was asked for.

import { err, failure, type Result } from '@skerry/shared';
import { foldConstants } from '../onnx/fold-constants.ts';
import type { ModelProto } from '../onnx/model-proto.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { TensorMap } from '../tensor.ts';
import type { WeightBits } from './affine.ts';
import { type Quantized, quantizeStatic, type StaticOptions } from './quantize-static.ts';
import { quantizeWeightsOnly } from './quantize-weights-only.ts';

/** `static` for convolutions, `dynamic` for transformers, `weights` where only the file's size counts. */
export const quantizeModes = ['static', 'dynamic', 'weights'] as const;

export interface QuantizeOptions extends Omit<StaticOptions, 'weightBits'> {
  readonly mode: (typeof quantizeModes)[number];
  readonly weightBits: WeightBits | 4;
}

/** `runs` are the model's inputs on calibration data, which only `static` looks at. */
export async function quantizeModel(
  model: ModelProto,
  runs: readonly TensorMap[],
  options: QuantizeOptions,
  runtime: Runtime,
): Promise<Result<Quantized>> {
  const { mode, weightBits } = options;
  if (mode === 'static' && weightBits !== 4)
    return quantizeStatic(model, runs, { ...options, weightBits }, runtime);
  if (mode !== 'weights' && weightBits === 4)
    return err(failure('invalid_argument', `4 bits are for mode weights, not ${mode}`));
  const folded = await foldConstants(model, runtime);
  if (!folded.ok) return folded;
  return quantizeWeightsOnly(folded.value, {
    ...options,
    mode: mode === 'dynamic' ? 'dynamic' : 'weights',
  });
}
