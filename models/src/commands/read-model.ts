// An ONNX file from disk, with what its graph takes.

import { readFile } from 'node:fs/promises';
import { err, failure, messageOf, ok, type Result } from '@skerry/shared';
import { decodeModel, type ModelProto } from '../onnx/model-proto.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { TensorSpec } from '../tensor.ts';

export interface ReadModel {
  readonly bytes: Uint8Array;
  readonly model: ModelProto;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

export async function readModel(path: string, runtime: Runtime): Promise<Result<ReadModel>> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (thrown) {
    return err(failure('invalid_argument', `${path}: ${messageOf(thrown)}`));
  }
  const model = decodeModel(bytes);
  if (!model.ok) return model;
  const session = await runtime.load(bytes);
  if (!session.ok) return session;
  const { inputs, outputs } = session.value;
  await session.value.close();
  return ok({ bytes, model: model.value, inputs, outputs });
}
