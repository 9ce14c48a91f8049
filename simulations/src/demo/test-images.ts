import { readMnist } from '@skerry/models/training';
import type { LabelledImage } from './feed.ts';

/** Spread over the whole test set, whose first half is the harder one. */
export async function testImages(count: number): Promise<LabelledImage[]> {
  const { pixels, labels, height, width, count: all } = (await readMnist()).test;
  const size = height * width;
  return Array.from({ length: count }, (_, i) => {
    const at = Math.floor((i * all) / count);
    return {
      id: `test-${at}`,
      pixels: pixels.subarray(at * size, (at + 1) * size),
      truth: String(labels[at]),
    };
  });
}
