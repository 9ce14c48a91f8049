import { describe, expect, it, vi } from 'vitest';
import { createTurnMemory, giveTurn, inTurns } from './device-turn.ts';
import type { InnerSession, Ort } from './ort-session.ts';

const holder = 7;
const waitMs = 5;

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
  return { ort: inTurns(ort, memory, holder, waitMs), held };
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

  it('is waited for so long and no longer', async () => {
    const memory = createTurnMemory();
    const { ort, held } = watched(memory);
    Atomics.store(new Int32Array(memory), 0, holder + 1);
    const options = { executionProviders: ['webgpu'] };
    const opening = ort.InferenceSession.create(new Uint8Array(), options);
    await expect(opening).rejects.toThrow('another holds the device');
    expect(held).toEqual([]);
    expect(now(memory)).toBe(holder + 1);
  });

  it('is not waited for again by who has given up, until it has had one', async () => {
    const memory = createTurnMemory();
    const waited: number[] = [];
    const wait = vi.spyOn(Atomics, 'wait').mockImplementation((_, __, ___, ms = 0) => {
      waited.push(ms);
      return 'timed-out';
    });
    const { ort } = watched(memory);
    const options = { executionProviders: ['webgpu'] };
    const session = await ort.InferenceSession.create(new Uint8Array(), options);
    const hold = (by: number) => Atomics.store(new Int32Array(memory), 0, by);
    hold(holder + 1);
    await expect(session.run({})).rejects.toThrow('another holds the device');
    await expect(session.release()).rejects.toThrow('another holds the device');
    hold(0);
    await session.run({});
    hold(holder + 1);
    await expect(session.run({})).rejects.toThrow('another holds the device');
    expect(waited).toEqual([waitMs, 0, waitMs]);
    wait.mockRestore();
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
