import { tensorRankMax } from '@skerry/shared';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesPerElement, datatypes, type TensorMap, tensorFromBytes } from '../tensor.ts';
import { answeringSlot, askingSlot, createSlotMemory, idAfter } from './run-slot.ts';

const anyTensor = fc
  .tuple(
    fc.constantFrom(...datatypes),
    fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: tensorRankMax }),
    fc.infiniteStream(fc.integer({ min: 0, max: 255 })),
  )
  .map(([datatype, shape, values]) => {
    const bytes = shape.reduce((product, size) => product * size, bytesPerElement(datatype));
    // BYTES takes lengths: of nothing, here.
    const data = Uint8Array.from(values.take(bytes), (v) => (datatype === 'BYTES' ? 0 : v));
    const tensor = tensorFromBytes(datatype, shape, data);
    if (!tensor.ok) throw new Error(tensor.error.message);
    return tensor.value;
  });

const names = (tensors: TensorMap): string[] => Object.keys(tensors);
const byte = (data: number): TensorMap => ({
  x: { datatype: 'UINT8', shape: [1], data: Uint8Array.of(data) },
});

function fresh() {
  const memory = createSlotMemory();
  return { asking: askingSlot(memory), answering: answeringSlot(memory) };
}

describe('a run slot', () => {
  it('carries tensors of any type and shape there and back', () => {
    const { asking, answering } = fresh();
    fc.assert(
      fc.property(fc.array(anyTensor, { maxLength: 5 }), (tensors) => {
        const given = Object.fromEntries(tensors.map((tensor, i) => [`tensor ${i}`, tensor]));
        expect(asking.ask(7, 3, names(given), given)).toBe(true);
        expect(answering.asked()).toEqual({ id: 7, session: 3 });
        const fed = answering.feeds(names(given));
        expect(fed).toEqual(given);
        expect(answering.answer(names(given), fed)).toBe(true);
        expect(asking.take(names(given))).toEqual(given);
      }),
      { numRuns: 200 },
    );
  });

  it('carries every id that follows another', () => {
    for (const last of [0, 0x7ffffffe, 0x7fffffff]) {
      const { asking, answering } = fresh();
      const id = idAfter(last);
      expect(id).not.toBe(last);
      expect(asking.ask(id, 1, ['x'], byte(1))).toBe(true);
      expect(answering.asked()).toEqual({ id, session: 1 });
    }
  });

  it('is for one run at a time, and what was taken from it is not touched by the next', () => {
    const { asking, answering } = fresh();
    expect(asking.ask(1, 1, ['x'], byte(1))).toBe(true);
    expect(asking.ask(2, 1, ['x'], byte(2))).toBe(false);
    expect(answering.asked()).toEqual({ id: 1, session: 1 });
    expect(answering.asked()).toBeUndefined();
    const fed = answering.feeds(['x']);
    answering.answer(['x'], byte(9));
    expect(asking.ask(2, 1, ['x'], byte(2))).toBe(false);
    const taken = asking.take(['x']);
    expect(asking.ask(2, 1, ['x'], byte(2))).toBe(true);
    expect(taken).toEqual(byte(9));
    expect(fed).toEqual(byte(1));
  });

  it('refuses what does not fit, or lacks a name, and stays empty', () => {
    const { asking, answering } = fresh();
    const large: TensorMap = {
      x: { datatype: 'FP32', shape: [300_000], data: new Float32Array(300_000) },
    };
    expect(asking.ask(1, 1, ['x'], large)).toBe(false);
    expect(asking.ask(1, 1, ['x', 'y'], byte(1))).toBe(false);
    expect(answering.asked()).toBeUndefined();
    asking.ask(1, 1, ['x'], byte(1));
    expect(answering.answer(['x'], large)).toBe(false);
    asking.free();
    expect(asking.ask(2, 1, ['x'], byte(2))).toBe(true);
  });

  it('rings once a run and once a message', () => {
    const { asking, answering } = fresh();
    const before = answering.rings();
    asking.ask(1, 1, ['x'], byte(1));
    asking.ring();
    expect(answering.rings()).toBe(before + 2);
    // Returns at once: the bell has rung since.
    answering.wait(before);
  });
});
