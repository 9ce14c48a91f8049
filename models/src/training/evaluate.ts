// Runs exported stages over many images.

import { defined } from '@skerry/shared';
import * as ort from 'onnxruntime-node';
import { createOrtSession } from '../runtime/ort-session.ts';
import type { Tensor, TensorMap } from '../tensor.ts';
import { expectOk } from './expect-ok.ts';
import { stageNames } from './export-stages.ts';
import type { ExitOutputs } from './measure.ts';
import type { LabelledImages } from './mnist.ts';

const examplesPerRun = 250;

/** ONNX bytes by stage name. */
export type StageBytes = ReadonlyMap<string, Uint8Array>;

/** Both exits of a two-stage model, whatever the threshold: every cut goes on to the cloud's stage. */
export async function runExits(stages: StageBytes, images: LabelledImages): Promise<ExitOutputs> {
  const edge = await runOverAll(defined(stages.get('edge'), 'edge'), imagesTensor(images));
  const cut = defined(edge[stageNames.cut], 'cut');
  const cloud = await runOverAll(defined(stages.get('cloud'), 'cloud'), cut);
  return {
    edgeLogits: defined(edge[stageNames.logits], 'edge logits'),
    cloudLogits: defined(cloud[stageNames.logits], 'cloud logits'),
    cut,
    labels: images.labels,
  };
}

export const imagesTensor = (images: LabelledImages): Tensor => ({
  datatype: 'UINT8',
  shape: [images.count, 1, images.height, images.width],
  data: images.pixels,
});

/** A graph's outputs over a tensor of any number of examples. */
export async function runOverAll(model: Uint8Array, input: Tensor): Promise<TensorMap> {
  const session = expectOk(await createOrtSession(ort, model, ['cpu'], { threads: 2 }));
  const count = input.shape[0] as number;
  const parts: TensorMap[] = [];
  for (let start = 0; start < count; start += examplesPerRun) {
    const name = session.inputs[0]?.name as string;
    const part = slice(input, start, Math.min(count, start + examplesPerRun));
    parts.push(expectOk(await session.run({ [name]: part })));
  }
  await session.close();
  return Object.fromEntries(
    session.outputs.map(({ name }) => [name, concat(parts.map((part) => part[name] as Tensor))]),
  );
}

function slice(tensor: Tensor, start: number, end: number): Tensor {
  const size = tensor.data.length / (tensor.shape[0] as number);
  return {
    ...tensor,
    shape: [end - start, ...tensor.shape.slice(1)],
    data: tensor.data.slice(start * size, end * size),
  };
}

function concat(tensors: readonly Tensor[]): Tensor {
  const [first] = tensors as [Tensor, ...Tensor[]];
  const total = tensors.reduce((sum, { data }) => sum + data.length, 0);
  const data = new (first.data.constructor as Float32ArrayConstructor)(total);
  let at = 0;
  for (const tensor of tensors) {
    data.set(tensor.data as Float32Array, at);
    at += tensor.data.length;
  }
  const count = tensors.reduce((sum, { shape }) => sum + (shape[0] as number), 0);
  return { ...first, shape: [count, ...first.shape.slice(1)], data };
}
