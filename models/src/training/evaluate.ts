// Runs exported stages over many images.

import { defined } from '@skerry/shared';
import * as ort from 'onnxruntime-node';
import { createOrtSession } from '../runtime/ort-session.ts';
import type { Tensor, TensorMap } from '../tensor.ts';
import { batchesOf, concatRows } from '../tensor-rows.ts';
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
  const name = session.inputs[0]?.name as string;
  const parts: TensorMap[] = [];
  for (const part of batchesOf(input, examplesPerRun))
    parts.push(expectOk(await session.run({ [name]: part })));
  await session.close();
  return Object.fromEntries(
    session.outputs.map(({ name }) => [
      name,
      concatRows(parts.map((part) => part[name] as Tensor)),
    ]),
  );
}
