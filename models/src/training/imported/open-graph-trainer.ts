// The trainer of an ONNX model's own graph, whole or its head alone, in the runtime that the step graphs run in.

import { ok, type Result } from '@skerry/shared';
import { createOnnxDirectRuntime } from '../../runtime/onnx-direct.ts';
import { createOnnxTrainer, type OnnxTrainerOptions } from '../onnx-trainer.ts';
import type { Trainer, Weights32 } from '../trainer.ts';
import { type ImportOptions, importTrainable } from './import-trainable.ts';

export interface GraphTrainer {
  readonly trainer: Trainer;
  /** As they are in the model. */
  readonly weights: Weights32;
}

/** Fails as `importTrainable`. */
export async function openGraphTrainer(
  model: Uint8Array,
  { trains, output, ...options }: ImportOptions & OnnxTrainerOptions,
): Promise<Result<GraphTrainer>> {
  const runtime = createOnnxDirectRuntime();
  const imported = await importTrainable(model, { trains, output }, runtime);
  await runtime.close();
  if (!imported.ok) return imported;
  const { trainable, frozen, weights } = imported.value;
  return ok({ trainer: createOnnxTrainer(trainable, options, frozen), weights });
}
