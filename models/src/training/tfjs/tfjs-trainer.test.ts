import { unwrap } from '@skerry/shared/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { trainerContract } from '../../testing/trainer-contract.ts';
import { openTfjs } from './open-tfjs.ts';
import { createTfjsTrainer } from './tfjs-trainer.ts';

const wasm = await openTfjs(['wasm']);
trainerContract('tfjs on wasm', (network) => createTfjsTrainer(unwrap(wasm), network));

// Its native library is downloaded at its install, so it is here only where somebody has put it.
const native = await openTfjs(['tensorflow']);
if (native.ok)
  trainerContract('tfjs on tensorflow', (network) => createTfjsTrainer(native.value, network));

describe('openTfjs', () => {
  it.skipIf(native.ok)('says which package a backend lacks', () => {
    expect(native).toMatchObject({
      error: { code: 'unavailable', message: expect.stringContaining('@tensorflow/tfjs-node') },
    });
  });

  it('does not trust a backend whose gradients are wrong', async () => {
    const { core: tf } = unwrap(wasm);
    const step = tf.getKernel('Step', 'wasm');
    const put = (kernel: typeof step): void => {
      tf.unregisterKernel('Step', 'wasm');
      tf.registerKernel(kernel);
    };
    onTestFinished(() => put(step));
    // The derivative of ReLU: 1 everywhere, as if it were not there.
    const kernelFunc: typeof step.kernelFunc = ({ inputs }) => tf.ones(inputs['x']?.shape ?? []);
    put({ kernelName: 'Step', backendName: 'wasm', kernelFunc });
    expect(await openTfjs(['wasm'])).toMatchObject({
      error: { code: 'unavailable', message: expect.stringContaining('gradients are off') },
    });
  });
});
