// What every Runtime must do, whatever executes the graph. An adapter's whole test is one call.

import { describe, expect, it, onTestFinished } from 'vitest';
import { createGraphBuilder, encodeModel } from '../onnx/index.ts';
import type { Runtime, Session } from '../runtime/runtime.ts';
import type { Tensor } from '../tensor.ts';

const fp32 = (shape: number[], data: number[]): Tensor => ({
  datatype: 'FP32',
  shape,
  data: Float32Array.from(data),
});

/** sum = a + b; twice = 2a, as UINT8 where a is. */
function sumModel(): Uint8Array {
  const graph = createGraphBuilder('sum');
  const a = graph.input('a', 'FP32', [-1, 2]);
  const b = graph.input('b', 'FP32', [-1, 2]);
  graph.output(graph.add('Add', [a, b], {}, 'sum'), 'FP32', [-1, 2]);
  graph.output(graph.add('Cast', [a], { to: 2 }, 'bytes'), 'UINT8', [-1, 2]);
  return encodeModel(graph.build());
}

export function runtimeContract(name: string, createRuntime: () => Runtime): void {
  const fresh = async (): Promise<{ runtime: Runtime; session: Session }> => {
    const runtime = createRuntime();
    onTestFinished(() => runtime.close());
    const session = await runtime.load(sumModel());
    if (!session.ok) throw new Error(session.error.message);
    return { runtime, session: session.value };
  };
  const a = () => fp32([1, 2], [1, 2]);
  const b = () => fp32([1, 2], [10, 20]);

  describe(`${name}: a Runtime`, () => {
    it('says what a model takes and gives, −1 for a dimension that varies', async () => {
      const { session } = await fresh();
      expect(session.inputs).toEqual([
        { name: 'a', datatype: 'FP32', shape: [-1, 2] },
        { name: 'b', datatype: 'FP32', shape: [-1, 2] },
      ]);
      expect(session.outputs.map((o) => o.datatype)).toEqual(['FP32', 'UINT8']);
    });

    it('runs, also on views over part of a buffer, which it leaves as they were', async () => {
      const { session } = await fresh();
      const whole = Float32Array.of(9, 1, 2, 9);
      const view: Tensor = { datatype: 'FP32', shape: [1, 2], data: whole.subarray(1, 3) };
      expect(await session.run({ a: view, b: b() })).toMatchObject({
        value: {
          sum: { datatype: 'FP32', shape: [1, 2], data: Float32Array.of(11, 22) },
          bytes: { datatype: 'UINT8', data: Uint8Array.of(1, 2) },
        },
      });
      expect([...whole]).toEqual([9, 1, 2, 9]);
    });

    it('answers each of many runs at once with its own result', async () => {
      const { session } = await fresh();
      const sums = await Promise.all(
        Array.from({ length: 20 }, async (_, i) => {
          const ran = await session.run({ a: fp32([1, 2], [i, i]), b: b() });
          return ran.ok ? ran.value['sum']?.data[0] : undefined;
        }),
      );
      expect(sums).toEqual(Array.from({ length: 20 }, (_, i) => i + 10));
    });

    it('carries large tensors', async () => {
      const { session } = await fresh();
      const rows = 50_000;
      const big = () => fp32([rows, 2], new Array(rows * 2).fill(1));
      const ran = await session.run({ a: big(), b: big() });
      expect(ran.ok && ran.value['sum']?.data.at(-1)).toBe(2);
    });

    it.each<[string, Readonly<Record<string, Tensor>>]>([
      ['a missing input', { a: a() }],
      ['a wrong shape', { a: fp32([1, 3], [1, 2, 3]), b: b() }],
      ['a wrong datatype', { a: { ...a(), datatype: 'UINT8', data: Uint8Array.of(1, 2) }, b: b() }],
    ])('refuses %s with invalid_tensor, and runs on', async (_, feeds) => {
      const { session } = await fresh();
      expect(await session.run(feeds)).toMatchObject({ error: { code: 'invalid_tensor' } });
      expect((await session.run({ a: a(), b: b() })).ok).toBe(true);
    });

    it('says runtime_failed where the graph itself fails', async () => {
      const { session } = await fresh();
      const ran = await session.run({
        a: fp32([2, 2], [1, 2, 3, 4]),
        b: fp32([3, 2], [1, 2, 3, 4, 5, 6]),
      });
      expect(ran).toMatchObject({ error: { code: 'runtime_failed' } });
    });

    it('refuses bytes that are no model with invalid_bundle', async () => {
      const { runtime } = await fresh();
      expect(await runtime.load(Uint8Array.of(1, 2, 3))).toMatchObject({
        error: { code: 'invalid_bundle' },
      });
    });

    it('says unavailable once the session is closed, which may be twice', async () => {
      const { session } = await fresh();
      await session.close();
      await session.close();
      expect(await session.run({ a: a(), b: b() })).toMatchObject({
        error: { code: 'unavailable' },
      });
    });
  });
}
