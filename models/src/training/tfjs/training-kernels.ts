// Kernels of TensorFlow.js that training a convolutional network needs. The wasm backend (4.22) has no Conv2DBackpropFilter
// (github.com/tensorflow/tfjs, issue 8474), and its MaxPoolGrad gives nothing back to a window whose largest value is not
// positive: a network that pools before its ReLU learns the wrong thing, and its loss falls all the same.

import { assert } from '@skerry/shared';
import type * as Core from '@tensorflow/tfjs-core';

type Tf = typeof Core;

/** In place of the backend's own, where it has them. */
export function replaceTrainingKernels(tf: Tf, backendName: string): void {
  const kernels: Readonly<Record<string, Core.KernelFunc>> = {
    [tf.Conv2DBackpropFilter]: conv2DBackpropFilter(tf),
    [tf.MaxPoolGrad]: maxPoolGrad(tf),
  };
  for (const [kernelName, kernelFunc] of Object.entries(kernels)) {
    if (tf.getKernel(kernelName, backendName)) tf.unregisterKernel(kernelName, backendName);
    tf.registerKernel({ kernelName, backendName, kernelFunc });
  }
}

interface ConvAttributes {
  readonly strides: [number, number] | number;
  readonly pad: Parameters<typeof Core.backend_util.computeConv2DInfo>[4];
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
  readonly filterShape: [number, number, number, number];
}

/** dW = im2col(x)ᵀ · dy, as one product of matrices. x is [batch, height, width, channels]. */
const conv2DBackpropFilter =
  (tf: Tf): Core.KernelFunc =>
  ({ inputs, attrs }) => {
    const { strides, pad, dimRoundingMode, filterShape } = attrs as unknown as ConvAttributes;
    const x = inputOf(inputs, 'x');
    const dy = inputOf(inputs, 'dy');
    const info = tf.backend_util.computeConv2DInfo(
      x.shape,
      filterShape,
      strides,
      1,
      pad,
      dimRoundingMode,
    );
    return tf.tidy(() => {
      const { padInfo, strideHeight, strideWidth, outHeight, outWidth, batchSize } = info;
      const padded = tf.pad4d(x, [
        [0, 0],
        [padInfo.top, padInfo.bottom],
        [padInfo.left, padInfo.right],
        [0, 0],
      ]);
      const [rows, columns, channels, outputs] = filterShape;
      const taps: Core.Tensor[] = [];
      for (let row = 0; row < rows; row++)
        for (let column = 0; column < columns; column++)
          taps.push(
            tf.stridedSlice(
              padded,
              [0, row, column, 0],
              [
                batchSize,
                row + (outHeight - 1) * strideHeight + 1,
                column + (outWidth - 1) * strideWidth + 1,
                channels,
              ],
              [1, strideHeight, strideWidth, 1],
            ),
          );
      const places = batchSize * outHeight * outWidth;
      const seen = tf.reshape(tf.concat(taps, 3), [places, rows * columns * channels]);
      const product = tf.matMul(seen, tf.reshape(dy, [places, outputs]), true);
      return tf.reshape(product, filterShape);
    });
  };

interface PoolAttributes {
  readonly filterSize: [number, number] | number;
  readonly strides: [number, number] | number;
  readonly pad: Parameters<typeof Core.backend_util.computePool2DInfo>[4];
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

/** The gradient goes to the first largest place of each window. */
const maxPoolGrad =
  (tf: Tf): Core.KernelFunc =>
  ({ inputs, attrs }) => {
    const { filterSize, strides, pad, dimRoundingMode } = attrs as unknown as PoolAttributes;
    const x = inputOf(inputs, 'input');
    const dy = inputOf(inputs, 'dy');
    const info = tf.backend_util.computePool2DInfo(
      x.shape,
      filterSize,
      strides,
      1,
      pad,
      dimRoundingMode,
    );
    const [values, gradient] = [x.dataSync(), dy.dataSync()];
    const into = new Float32Array(values.length);
    const { inHeight, inWidth, inChannels, outHeight, outWidth } = info;
    let at = 0;
    for (let batch = 0; batch < info.batchSize; batch++)
      for (let y = 0; y < outHeight; y++)
        for (let column = 0; column < outWidth; column++)
          for (let channel = 0; channel < inChannels; channel++, at++) {
            const top = y * info.strideHeight - info.padInfo.top;
            const left = column * info.strideWidth - info.padInfo.left;
            let best = -1;
            for (
              let row = Math.max(0, top);
              row < Math.min(inHeight, top + info.filterHeight);
              row++
            )
              for (let c = Math.max(0, left); c < Math.min(inWidth, left + info.filterWidth); c++) {
                const place = ((batch * inHeight + row) * inWidth + c) * inChannels + channel;
                if (best < 0 || (values[place] as number) > (values[best] as number)) best = place;
              }
            if (best >= 0) into[best] = (into[best] as number) + (gradient[at] as number);
          }
    return tf.tensor(into, x.shape, 'float32');
  };

/** What the engine gives to a kernel are tensors, though the type says less. */
function inputOf(inputs: Core.NamedTensorInfoMap, name: string): Core.Tensor4D {
  const tensor = inputs[name];
  assert(tensor !== undefined && 'dataSync' in tensor, `a kernel without '${name}'`);
  return tensor as Core.Tensor4D;
}
