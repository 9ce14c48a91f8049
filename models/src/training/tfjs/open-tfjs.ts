// TensorFlow.js as a backend for training, where somebody has installed it: @tensorflow/tfjs-node, whose native library is
// downloaded at its install, or else the packages of the wasm backend, to which the kernels that training convolutions
// needs are added, and one is replaced. Nothing is trusted before its gradients are checked (docs/decisions/0068).

import { createRandom, err, failure, messageOf, ok, type Result } from '@skerry/shared';
import type * as Core from '@tensorflow/tfjs-core';
import type * as Layers from '@tensorflow/tfjs-layers';
import { gradientError } from '../gradient-error.ts';
import { conv } from '../layers/conv.ts';
import { dense } from '../layers/dense.ts';
import { flatten } from '../layers/flatten.ts';
import { sizeOf } from '../layers/layer.ts';
import { maxPool } from '../layers/max-pool.ts';
import { relu } from '../layers/relu.ts';
import type { Network } from '../network.ts';
import { layoutSize } from '../trainable.ts';
import { createTfjsTrainer } from './tfjs-trainer.ts';
import { replaceTrainingKernels } from './training-kernels.ts';

export type TfjsBackend = 'tensorflow' | 'wasm';

export interface Tfjs {
  readonly backend: TfjsBackend;
  readonly core: typeof Core;
  readonly layers: typeof Layers;
}

/** Every kind of layer that a network has, and a convolution with a stride behind another. */
const probe: Network = {
  input: [2, 9, 9],
  segments: [
    {
      name: 'probe',
      lossWeight: 1,
      trunk: [
        conv({ channels: 3, kernel: 3, padding: 1 }),
        relu(),
        conv({ channels: 4, kernel: 2, stride: 2 }),
        maxPool(2),
        flatten(),
      ],
      head: [dense(5), relu(), dense(3)],
      neck: [],
    },
  ],
};

/** As a share of a slope: float32 leaves a hundredth of it, a wrong gradient is off by tenths. */
const gradientErrorMax = 0.05;

/** The first of the backends that is installed and whose gradients are right. Fails with `unavailable`, saying what each lacks. */
export async function openTfjs(
  backends: readonly TfjsBackend[] = ['tensorflow', 'wasm'],
): Promise<Result<Tfjs>> {
  const lacks: string[] = [];
  for (const backend of backends) {
    const opened = await openers[backend]().catch((thrown) =>
      err(failure('unavailable', messageOf(thrown))),
    );
    const trusted = opened.ok ? await checkGradients(opened.value) : opened;
    if (trusted.ok) return trusted;
    lacks.push(`${backend}: ${trusted.error.message}`);
  }
  return err(failure('unavailable', `TensorFlow.js cannot train here: ${lacks.join('; ')}`));
}

/** What a CommonJS package exports, all of it. */
const exportsOf = <T>(module: T): T => (module as { default?: T }).default ?? module;

/** In a variable: no package.json here may name it, since it downloads at its install. */
const nativePackage = '@tensorflow/tfjs-node';

const openers: Readonly<Record<TfjsBackend, () => Promise<Result<Tfjs>>>> = {
  async tensorflow() {
    const whole = exportsOf((await import(nativePackage)) as typeof Core & typeof Layers);
    return ok({ backend: 'tensorflow', core: whole, layers: whole });
  },
  async wasm() {
    const core = exportsOf(await import('@tensorflow/tfjs-core'));
    const layers = exportsOf(await import('@tensorflow/tfjs-layers'));
    await import('@tensorflow/tfjs-backend-wasm');
    replaceTrainingKernels(core, 'wasm');
    return (await core.setBackend('wasm'))
      ? ok({ backend: 'wasm', core, layers })
      : err(failure('unavailable', 'the backend did not start'));
  },
};

async function checkGradients(tfjs: Tfjs): Promise<Result<Tfjs>> {
  const random = createRandom(1);
  const normal = (length: number, deviation: number) =>
    Float32Array.from({ length }, () => deviation * random.gaussian());
  const trainer = createTfjsTrainer(tfjs, probe);
  const weights = normal(layoutSize(trainer.layout), 0.5);
  const labels = [0, 1, 2, 0];
  const shape = [labels.length, ...probe.input];
  const input = { datatype: 'FP32', shape, data: normal(sizeOf(shape), 1) } as const;
  const error = await gradientError(trainer, weights, { input, labels }, { seed: 1 });
  if (!error.ok) return error;
  return error.value < gradientErrorMax
    ? ok(tfjs)
    : err(failure('unavailable', `its gradients are off by ${error.value.toFixed(2)}`));
}
