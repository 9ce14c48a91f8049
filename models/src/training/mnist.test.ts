import { describe, expect, it } from 'vitest';
import { parseIdx, selectImages } from './labelled-images.ts';
import { readMnist } from './mnist.ts';

describe('mnist', () => {
  it('reads 60 000 and 10 000 labelled images', async () => {
    const { train, test } = await readMnist();
    expect([train.count, train.height, train.width]).toEqual([60_000, 28, 28]);
    expect(test.count).toBe(10_000);
    expect([...train.labels.subarray(0, 5)]).toEqual([5, 0, 4, 1, 9]);
    expect(Math.max(...train.labels)).toBe(9);
  });

  it('selects images with their labels', async () => {
    const { test } = await readMnist();
    const selected = selectImages(test, [7, 2]);
    expect(selected.count).toBe(2);
    expect(selected.labels).toEqual(Uint8Array.of(test.labels[7] ?? 0, test.labels[2] ?? 0));
    expect(selected.pixels.subarray(784)).toEqual(test.pixels.subarray(2 * 784, 3 * 784));
  });

  it.each([
    ['another element type', Uint8Array.of(0, 0, 13, 1, 0, 0, 0, 1, 7)],
    ['a file that is cut off', Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 2, 7)],
  ])('refuses %s', (_, bytes) => {
    expect(() => parseIdx(bytes)).toThrow('IDX');
  });
});
