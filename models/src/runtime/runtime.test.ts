import { err, failure, ok, type Result } from '@skerry/shared';
import { describe, expect, it } from 'vitest';
import { createGraphBuilder, encodeModel } from '../onnx/index.ts';
import { runtimeContract } from '../testing/runtime-contract.ts';
import { createOnnxNativePool, createOnnxNativeRuntime } from './onnx-native.ts';
import { createOnnxWasmRuntime } from './onnx-wasm.ts';
import type { OnnxWorker } from './onnx-worker.ts';
import { createOrtSession, type Ort } from './ort-session.ts';
import type { Session } from './runtime.ts';

runtimeContract('onnx-native', createOnnxNativeRuntime);
runtimeContract('onnx-native, its worker shared', () => {
  const pool = createOnnxNativePool(1);
  const [runtime, other] = [pool.createRuntime(), pool.createRuntime()];
  return {
    ...runtime,
    async close() {
      await other.close();
      await runtime.close();
    },
  };
});
runtimeContract('onnx-wasm', createOnnxWasmRuntime);

describe('onnx-native', () => {
  it('that closes inside of a run lets it end: a thread that is terminated there takes the process with it', async () => {
    const size = 600;
    const runtime = createOnnxNativeRuntime();
    const session = await runtime.load(slowModel(size));
    if (!session.ok) throw new Error(session.error.message);
    const data = new Float32Array(size * size).fill(1);
    const running = session.value.run({ x: { datatype: 'FP32', shape: [size, size], data } });
    await runtime.close();
    expect(await running).toMatchObject({ error: { code: 'unavailable' } });
  });

  it('fails what is under way when it closes, and takes nothing more', async () => {
    const runtime = createOnnxNativeRuntime();
    const loading = runtime.load(Uint8Array.of(1));
    await runtime.close();
    expect(await loading).toMatchObject({ error: { code: 'unavailable' } });
    expect(await runtime.load(Uint8Array.of(1))).toMatchObject({ error: { code: 'unavailable' } });
  });
});

/** y = x · x, which takes a while. */
function slowModel(size: number): Uint8Array {
  const graph = createGraphBuilder('slow');
  const x = graph.input('x', 'FP32', [size, size]);
  graph.output(graph.add('MatMul', [x, x], {}, 'y'), 'FP32', [size, size]);
  return encodeModel(graph.build());
}

const model = new Uint8Array();

describe('a session of onnxruntime', () => {
  it('whose graph has a type that is not taken is released', async () => {
    let released = 0;
    const inner = {
      inputMetadata: [{ name: 'x', isTensor: true, type: 'complex64', shape: [1] }],
      outputMetadata: [],
      async release() {
        released += 1;
      },
    };
    const ort = { InferenceSession: { create: async () => inner } } as unknown as Ort;
    expect(await createOrtSession(ort, model, 'cpu')).toMatchObject({
      error: { code: 'invalid_bundle' },
    });
    expect(released).toBe(1);
  });
});

/** Workers that tell what they hold, and die when they are told to. */
function recordedWorkers() {
  const workers: { readonly loads: () => number; alive: boolean }[] = [];
  const start = (): OnnxWorker => {
    let loads = 0;
    const worker = { loads: () => loads, alive: true };
    workers.push(worker);
    return {
      async load(): Promise<Result<Session>> {
        if (!worker.alive) return err(failure('unavailable', 'dead'));
        loads += 1;
        const close = async (): Promise<void> => {
          loads -= 1;
        };
        const execution = () => ({ provider: 'cpu' as const, refused: [] });
        return ok({ inputs: [], outputs: [], execution, run: async () => ok({}), close });
      },
      alive: () => worker.alive,
      async close() {
        worker.alive = false;
      },
    };
  };
  return { workers, start };
}

describe('a pool', () => {
  it('spreads runtimes over its workers, and keeps one runtime’s sessions together', async () => {
    const { workers, start } = recordedWorkers();
    const pool = createOnnxNativePool(2, { startWorker: start });
    const [a, b, c] = [pool.createRuntime(), pool.createRuntime(), pool.createRuntime()];
    expect(workers).toHaveLength(0);
    for (const runtime of [a, a, b, c]) await runtime.load(model);
    expect(workers.map(({ loads }) => loads())).toEqual([3, 1]);
  });

  it('unloads what a runtime held, and ends a worker with the last that uses it', async () => {
    const { workers, start } = recordedWorkers();
    const pool = createOnnxNativePool(1, { startWorker: start });
    const [a, b] = [pool.createRuntime(), pool.createRuntime()];
    await a.load(model);
    await b.load(model);
    await a.close();
    expect(workers).toMatchObject([{ alive: true }]);
    expect(workers[0]?.loads()).toBe(1);
    await b.close();
    await b.close();
    expect(workers).toMatchObject([{ alive: false }]);
    await pool.createRuntime().load(model);
    expect(workers).toHaveLength(2);
  });

  it('forgets a session that was closed before its runtime', async () => {
    const { workers, start } = recordedWorkers();
    const pool = createOnnxNativePool(1, { startWorker: start });
    const [a, b] = [pool.createRuntime(), pool.createRuntime()];
    const early = await a.load(model);
    await b.load(model);
    if (early.ok) await early.value.close();
    await a.close();
    expect(workers[0]?.loads()).toBe(1);
  });

  it('starts one worker after the one that died, for all who shared it', async () => {
    const { workers, start } = recordedWorkers();
    const pool = createOnnxNativePool(1, { startWorker: start });
    const [a, b] = [pool.createRuntime(), pool.createRuntime()];
    await a.load(model);
    if (workers[0]) workers[0].alive = false;
    expect(await Promise.all([a.load(model), b.load(model)])).toMatchObject([
      { ok: true },
      { ok: true },
    ]);
    expect(workers.map(({ alive }) => alive)).toEqual([false, true]);
  });
});
