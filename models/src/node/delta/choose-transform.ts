// Which difference makes a tensor's numbers the most regular: tried on a sample, for the answer is seldom close.

import { transforms } from './delta-format.ts';
import { difference, type Numbers, type Transform } from './difference.ts';
import { entropyBits } from './rans.ts';
import type { Element } from './tensor-ranges.ts';

const blocks = 64;
const blockElements = 128;

/** @param base of as many numbers, where there is one */
export function chooseTransform(
  target: Numbers,
  base: Numbers | undefined,
  element: Element,
): Transform {
  if (base === undefined) return 'plain';
  const costs = transforms.map((transform) => {
    const sample = sampleOf(target);
    difference(sample, sampleOf(base), element, transform);
    return { transform, bits: costOf(sample) };
  });
  return costs.reduce((best, each) => (each.bits < best.bits ? each : best)).transform;
}

function sampleOf(numbers: Numbers): Numbers {
  if (numbers.length <= blocks * blockElements) return numbers.slice();
  const sample = numbers.slice(0, blocks * blockElements);
  const step = Math.floor((numbers.length - blockElements) / (blocks - 1));
  for (let b = 0; b < blocks; b++)
    sample.set(numbers.subarray(b * step, b * step + blockElements), b * blockElements);
  return sample;
}

function costOf(numbers: Numbers): number {
  let bits = 0;
  for (let place = 0; place < numbers.BYTES_PER_ELEMENT; place++) {
    const counts = new Uint32Array(256);
    for (const number of numbers) {
      const symbol = (number >>> (8 * place)) & 255;
      counts[symbol] = (counts[symbol] as number) + 1;
    }
    bits += entropyBits(counts, 1);
  }
  return bits;
}
