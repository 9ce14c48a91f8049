// WebGPU as it is on this machine, in two workers at once. Where no adapter is found there is nothing to see; a Vulkan
// driver in software will do: VK_DRIVER_FILES=/usr/lib/chromium/vk_swiftshader_icd.json.

import { expect, it, onTestFinished } from 'vitest';
import { createGraphBuilder, encodeModel } from '../onnx/index.ts';
import type { TensorMap } from '../tensor.ts';
import { createOnnxNativePool } from './onnx-native.ts';

const timeoutMs = 60_000;
const rows = 3;

/** y = x · x */
function square(): Uint8Array {
  const graph = createGraphBuilder('square');
  const x = graph.input('x', 'FP32', [rows, rows]);
  graph.output(graph.add('MatMul', [x, x], {}, 'y'), 'FP32', [rows, rows]);
  return encodeModel(graph.build());
}
const diagonal = (value: number): TensorMap => {
  const data = Float32Array.from({ length: rows * rows }, (_, i) =>
    i % (rows + 1) === 0 ? value : 0,
  );
  return { x: { datatype: 'FP32', shape: [rows, rows], data } };
};

it('[PRV4] WebGPU answers two workers that ask at once', {
  timeout: timeoutMs,
}, async (context) => {
  const pool = createOnnxNativePool(2, {
    executionProviders: ['webgpu', 'cpu'],
    takesSlower: true,
  });
  const runtimes = [pool.createRuntime(), pool.createRuntime()];
  onTestFinished(async () => {
    await Promise.all(runtimes.map((runtime) => runtime.close()));
  });
  const sessions = await Promise.all(
    runtimes.map(async (runtime) => {
      const session = await runtime.load(square());
      if (!session.ok) throw new Error(session.error.message);
      return session.value;
    }),
  );
  const [first] = sessions;
  const { provider, refused } = first?.execution() ?? { provider: 'cpu', refused: [] };
  const why = refused.map(({ reason }) => reason).join();
  context.skip(provider !== 'webgpu', `no WebGPU here: ${why}`);
  const answers = await Promise.all(
    [1, 2, 3, 4].flatMap((value) =>
      sessions.map(async (session) => {
        const ran = await session.run(diagonal(value));
        return ran.ok ? ran.value['y']?.data[0] : ran.error.message;
      }),
    ),
  );
  expect(answers).toEqual([1, 1, 4, 4, 9, 9, 16, 16]);
});
