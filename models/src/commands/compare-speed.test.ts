import { err, failure, ok } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import { describe, expect, it } from 'vitest';
import { createGraphBuilder, encodeModel } from '../onnx/index.ts';
import { createOnnxDirectRuntime } from '../runtime/onnx-direct.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { TensorMap } from '../tensor.ts';
import { compareSpeed } from './compare-speed.ts';

function double(): Uint8Array {
  const graph = createGraphBuilder('double');
  const x = graph.input('x', 'FP32', [1]);
  graph.output(graph.add('Add', [x, x], {}, 'y'), 'FP32', [1]);
  return encodeModel(graph.build());
}
const feeds: TensorMap = { x: { datatype: 'FP32', shape: [1], data: Float32Array.of(1) } };
const noModel = Uint8Array.of(1, 2, 3);

/** Counts the sessions that are open; the run of number `failsAt` fails. */
function counting(failsAt = Infinity) {
  const inner = createOnnxDirectRuntime();
  let open = 0;
  let runs = 0;
  const runtime: Runtime = {
    ...inner,
    async load(model, options) {
      const loaded = await inner.load(model, options);
      if (!loaded.ok) return loaded;
      open += 1;
      const { run, close } = loaded.value;
      return ok({
        ...loaded.value,
        run: async (given) =>
          ++runs === failsAt ? err(failure('runtime_failed', 'it broke')) : run(given),
        async close() {
          open -= 1;
          await close();
        },
      });
    },
  };
  return { runtime, open: () => open };
}

describe('two builds of a graph, timed', () => {
  const failures: [string, Uint8Array, number, string][] = [
    ['one does not load', noModel, Infinity, 'invalid_bundle'],
    ['a run fails', double(), 3, 'runtime_failed'],
  ];

  it.each(failures)('give no time where %s, and are closed', async (_, other, failsAt, code) => {
    const { runtime, open } = counting(failsAt);
    const compared = await compareSpeed([double(), other], feeds, runtime, systemClock);
    expect(compared).toMatchObject({ error: { code } });
    expect(open()).toBe(0);
  });

  it('give a time each, and are closed', async () => {
    const { runtime, open } = counting();
    const compared = await compareSpeed([double(), double()], feeds, runtime, systemClock);
    expect(compared).toMatchObject({ value: [expect.any(Number), expect.any(Number)] });
    expect(open()).toBe(0);
  });
});
