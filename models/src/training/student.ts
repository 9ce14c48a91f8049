// What learns from a teacher: a network by its name, from drawn weights, or an ONNX file, from the weights that it has.

import { readFile } from 'node:fs/promises';
import { createRandom, defined, err, failure, messageOf, ok, type Result } from '@skerry/shared';
import { encodeModel } from '../onnx/model-proto.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { exportStages } from './export-stages.ts';
import type { TrainScope } from './imported/find-trained.ts';
import { importTrainable } from './imported/import-trainable.ts';
import { parametersOf } from './network.ts';
import { trainableOf } from './network-trainable.ts';
import { type KnownNetwork, knownNetworks } from './networks.ts';
import { createOnnxTrainer } from './onnx-trainer.ts';
import { layoutOf, tensorsOf, vectorOf } from './trainable.ts';
import type { Trainer } from './trainer.ts';
import { drawWeights } from './weights.ts';

export interface Student {
  readonly trainer: Trainer;
  readonly initial: Float32Array<ArrayBuffer>;
  /** An ONNX model with the weights, of UINT8 images where the student is a network by name. */
  write(weights: Float32Array<ArrayBuffer>): Uint8Array;
}

export interface StudentOptions {
  readonly trains: TrainScope;
  readonly threads: number;
  /** Of the weights that a network begins with. */
  readonly seed: number;
}

/** Networks of one exit, which are one ONNX file. */
export const studentNetworks: ReadonlyMap<string, KnownNetwork> = new Map(
  Object.entries(knownNetworks).filter(([, { network }]) => network.segments.length === 1),
);

/** Fails with `invalid_argument` or `invalid_bundle`. */
export async function openStudent(
  name: string,
  options: StudentOptions,
  runtime: Runtime,
): Promise<Result<Student>> {
  const known = studentNetworks.get(name);
  if (known) return ok(studentOf(known, options));
  if (!name.endsWith('.onnx'))
    return err(
      failure(
        'invalid_argument',
        `no student '${name}': take ${[...studentNetworks.keys()].join(', ')} or a file .onnx`,
      ),
    );
  const bytes = await readFile(name).catch((thrown) => messageOf(thrown));
  if (typeof bytes === 'string') return err(failure('invalid_argument', bytes));
  const imported = await importTrainable(bytes, { trains: options.trains }, runtime);
  if (!imported.ok) return imported;
  const { trainable, frozen, weights, withWeights } = imported.value;
  const trainer = createOnnxTrainer(trainable, { threads: options.threads }, frozen);
  return ok({ trainer, initial: weights, write: withWeights });
}

function studentOf({ network, inputScale }: KnownNetwork, options: StudentOptions): Student {
  const trainable = trainableOf(network);
  const layout = layoutOf(trainable);
  const drawn = drawWeights(parametersOf(network), createRandom(options.seed));
  return {
    trainer: createOnnxTrainer(trainable, { threads: options.threads, inputScale }),
    initial: vectorOf(layout, drawn),
    write(weights) {
      const how = { pixelScale: inputScale, cutScales: [] };
      const [stage] = exportStages(network, tensorsOf(layout, weights), how);
      return encodeModel(defined(stage, 'a stage'));
    },
  };
}
