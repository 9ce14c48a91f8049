import { assert, ok } from '@skerry/shared';
import { describe, expect, it } from 'vitest';
import type { Tensor, TensorMap } from '../tensor.ts';
import { openStages } from './open-stages.ts';
import type { Runtime } from './runtime.ts';

const byte = (value: number): Tensor => ({
  datatype: 'UINT8',
  shape: [1, 1],
  data: Uint8Array.of(value),
});
const stages = ['first', 'second'].map((name) => ({ name, inputs: [], outputs: [] }));
const bytes = new Map(stages.map(({ name }) => [name, new Uint8Array()]));

/** Stages that give a cut one above their input; `asked` has the samples that each was opened with. */
async function open(executionProviders: Runtime['executionProviders']) {
  const asked: (readonly TensorMap[] | undefined)[] = [];
  const runtime: Runtime = {
    name: 'recorded',
    executionProviders,
    async load(_, options) {
      asked.push(options?.samples);
      return ok({
        inputs: [],
        outputs: [],
        execution: () => ({ provider: 'cpu', refused: [] }),
        run: async ({ x }) => ok({ cut: byte(Number(x?.data[0]) + 1) }),
        async close() {},
      });
    },
    async close() {},
  };
  const samples = [{ x: byte(1) }];
  const opened = await openStages(stages, bytes, () => runtime, { samples: () => samples });
  assert(opened.ok, 'the stages open');
  return asked;
}

describe('[PRV2] stages on another provider than the cpu', () => {
  it('are checked with the bundle’s own inputs, each with what the one before it gave', async () => {
    expect(await open(['webgpu', 'cpu'])).toEqual([
      [{ x: byte(1) }],
      [{ x: byte(1), cut: byte(2) }],
    ]);
  });

  it('that nobody wants are not computed for', async () => {
    expect(await open(['cpu'])).toEqual([[], []]);
  });
});
