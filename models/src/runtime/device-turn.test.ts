import { describe, expect, it } from 'vitest';
import { createTurnMemory, giveTurn, inTurns } from './device-turn.ts';
import type { InnerSession, Ort } from './ort-session.ts';

const holder = 7;

/** Tells who holds the turn while the library does something. */
function watched(memory: SharedArrayBuffer) {
  const held: [string, number][] = [];
  const watch = (what: string) => void held.push([what, Atomics.load(new Int32Array(memory), 0)]);
  const inner: InnerSession = {
    inputMetadata: [],
    outputMetadata: [],
    async run() {
      watch('run');
      if (held.length > 2) throw new Error('it failed');
      return {};
    },
    release: async () => watch('release'),
  };
  const ort = {
    Tensor: undefined,
    InferenceSession: {
      async create() {
        watch('create');
        return inner;
      },
    },
  } as unknown as Ort;
  return { ort: inTurns(ort, memory, holder), held };
}
const now = (memory: SharedArrayBuffer): number => Atomics.load(new Int32Array(memory), 0);

describe('[PRV4] a turn on the accelerator', () => {
  it('is taken for all that a session on WebGPU does, and given back, also where that fails', async () => {
    const memory = createTurnMemory();
    const { ort, held } = watched(memory);
    const options = { executionProviders: ['webgpu'] };
    const session = await ort.InferenceSession.create(new Uint8Array(), options);
    await session.run({});
    await expect(session.run({})).rejects.toThrow('it failed');
    expect(now(memory)).toBe(0);
    await session.release();
    expect(held).toEqual(['create', 'run', 'run', 'release'].map((what) => [what, holder]));
    expect(now(memory)).toBe(0);
  });

  it('is not taken for the cpu', async () => {
    const memory = createTurnMemory();
    const { ort, held } = watched(memory);
    const options = { executionProviders: ['cpu'] };
    const session = await ort.InferenceSession.create(new Uint8Array(), options);
    await session.run({});
    expect(held).toEqual(['create', 'run'].map((what) => [what, 0]));
  });

  it('is given back for a worker that has died, and for no other', () => {
    const memory = createTurnMemory();
    Atomics.store(new Int32Array(memory), 0, holder);
    giveTurn(memory, holder + 1);
    expect(now(memory)).toBe(holder);
    giveTurn(memory, holder);
    expect(now(memory)).toBe(0);
  });
});
