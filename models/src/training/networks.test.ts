import { describe, expect, it } from 'vitest';
import { trainableOf } from './network-trainable.ts';
import { knownNetworks } from './networks.ts';
import { layoutOf, layoutSize, tensorsOf, vectorOf } from './trainable.ts';

describe('known networks', () => {
  it.each([
    ['2nn', 199_210],
    ['cnn', 1_663_370],
  ] as const)('%s has the %d weights of the paper', (name, size) => {
    expect(layoutSize(layoutOf(trainableOf(knownNetworks[name].network)))).toBe(size);
  });
});

describe('a layout', () => {
  const layout = {
    tensors: [
      { name: 'b', shape: [2, 2] },
      { name: 'a', shape: [3] },
    ],
  };
  const vector = Float32Array.of(1, 2, 3, 4, 5, 6, 7);

  it('takes a vector apart in its own order, as views, and puts it together again', () => {
    const tensors = tensorsOf(layout, vector);
    expect(tensors).toEqual(
      new Map([
        ['b', Float32Array.of(1, 2, 3, 4)],
        ['a', Float32Array.of(5, 6, 7)],
      ]),
    );
    expect(tensors.get('a')?.buffer).toBe(vector.buffer);
    expect(vectorOf(layout, new Map([...tensors].toReversed()))).toEqual(vector);
  });

  it('refuses a vector of another size', () => {
    expect(() => tensorsOf(layout, vector.subarray(1))).toThrow('another layout');
    expect(() => vectorOf(layout, new Map([['b', vector]]))).toThrow("without 'b'");
  });
});
